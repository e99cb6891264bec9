//! webp

//! gif

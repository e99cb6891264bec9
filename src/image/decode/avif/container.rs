//! The boxes of an AVIF file.

//! The cache key, equal to Next's.

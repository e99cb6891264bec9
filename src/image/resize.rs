//! Lanczos3 on a fractional source box.

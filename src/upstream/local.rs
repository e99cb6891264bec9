//! Sources inside the Next app itself.

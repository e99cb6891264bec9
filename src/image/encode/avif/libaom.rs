//! libaom, encoder only.

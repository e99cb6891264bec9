//! The private-address guard.

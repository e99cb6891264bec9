//! Single flight: one leader works, followers share its result.

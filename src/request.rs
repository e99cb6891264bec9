//! Validation of `/_next/image` requests, in Next's order and with Next's words.

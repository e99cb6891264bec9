//! Sources over HTTP, with redirects, body and time limited.

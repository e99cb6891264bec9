//! The answer: status, headers, body; ETag and 304.

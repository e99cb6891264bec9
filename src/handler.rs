//! The whole way of a request.

//! Which output type the client gets, from its Accept header.

//! remotePatterns, domains and localPatterns.

//! Hot variants in memory, least recently used out first, bounded by bytes.

//! tiff

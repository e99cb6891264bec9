//! ICC profiles to sRGB, and layouts to what encoders take.

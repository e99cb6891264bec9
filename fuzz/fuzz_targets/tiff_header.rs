#![no_main]
unsharp_fuzz::libfuzzer!("tiff_header");

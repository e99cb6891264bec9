#![no_main]
unsharp_fuzz::libfuzzer!("png_header");

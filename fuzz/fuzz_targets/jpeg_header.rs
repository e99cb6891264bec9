#![no_main]
unsharp_fuzz::libfuzzer!("jpeg_header");

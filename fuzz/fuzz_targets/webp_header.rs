#![no_main]
unsharp_fuzz::libfuzzer!("webp_header");

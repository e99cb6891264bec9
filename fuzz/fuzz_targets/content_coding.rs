#![no_main]
unsharp_fuzz::libfuzzer!("content_coding");

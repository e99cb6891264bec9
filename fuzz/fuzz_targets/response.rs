#![no_main]
unsharp_fuzz::libfuzzer!("response");

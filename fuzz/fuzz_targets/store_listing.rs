#![no_main]
unsharp_fuzz::libfuzzer!("store_listing");

#![no_main]
unsharp_fuzz::libfuzzer!("file_name");

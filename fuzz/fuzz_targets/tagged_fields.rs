#![no_main]

milena_fuzz::target!("tagged_fields");

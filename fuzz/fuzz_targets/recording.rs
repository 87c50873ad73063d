#![no_main]

milena_fuzz::target!("recording");

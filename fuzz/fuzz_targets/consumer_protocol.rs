#![no_main]

milena_fuzz::target!("consumer_protocol");

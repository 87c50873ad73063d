//! A real Apache Kafka: what the client does with it, and each version of the protocol and of the record formats.
//!
//! Runs where Java and Maven are; under `CI` or `MILENA_REQUIRE_KAFKA` a missing one is a failure.

mod after_append;
#[path = "../../examples/by_hand.rs"]
#[allow(dead_code)]
mod by_hand;
mod calls;
mod negotiation;
mod old_formats;
mod protocol;
mod recording;
mod records;
mod round_trip;
mod truth;
mod versions;

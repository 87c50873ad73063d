//! What Kafka's own code made, checked against what Milena makes: one file for each kind of vector in `vectors/`.

pub mod scram;

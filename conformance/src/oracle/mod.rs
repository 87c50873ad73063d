//! What Apache Kafka's own code makes of the same bytes, against what Milena makes of them.

pub mod records;

//! The sans-IO core of Milena, a Kafka client.

pub mod drive;
pub mod handle;
pub mod protocol;
pub mod record;
pub mod wire;

mod admin;
mod client;
mod cluster;
mod config;
mod connection;
mod consumer;
mod context;
mod error;
mod producer;
mod rng;
mod time;

pub use config::{Acks, Address, Config, Isolation, ReaderConfig, Reset, Start, Until, WriterConfig};
pub use connection::ConnId;
pub use consumer::{Batch, Message};
pub use error::{CloseReason, Error, Fate, Fault, WriteError};
pub use handle::{Client, NewTopic, Reader, Writer};
pub use producer::{Balancer, Delivery, Murmur2, Partitions, Record, Written, murmur2};
pub use record::{Compression, Header};
pub use time::{Instant, Now};

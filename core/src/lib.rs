//! The sans-IO core of Milena, a Kafka client.
//!
//! Most users want an adapter, `milena-tokio` or `milena-blocking`, which re-export what is here. This crate is for those
//! who bring a runtime of their own ([`drive::Runtime`], or [`gate::Driver`] for anything that is not async), for those who
//! want to drive a client by hand ([`machine`]), and for those who want Kafka's [`protocol`] or its [record batches](record)
//! alone.
//!
//! Nothing in it reads a clock, opens a socket, starts a thread or draws a random number: those are arguments. Inside, a
//! client is one [`Machine`](machine::Machine) made of smaller ones; [`Client`], [`Writer`] and [`Reader`] are its handles, and
//! every step goes through one [gate](gate::Gate).

pub mod drive;
pub mod gate;
pub mod machine;
pub mod protocol;
pub mod record;
#[cfg(feature = "scram")]
pub mod sasl;
pub mod wire;

mod admin;
mod balancer;
mod cluster;
mod config;
mod connection;
mod consumer;
mod context;
mod error;
mod handle;
mod notice;
mod producer;
#[cfg(feature = "recording")]
pub mod recording;
mod rng;
#[cfg(feature = "recording")]
mod saved;
mod sync;
mod time;
mod waiters;

pub use balancer::{Balancer, Murmur2, Partitions, Record, crc32, fnv1a, murmur2};
pub use cluster::{CoordinatorType, Target};
#[cfg(feature = "recording")]
pub use config::RecordingConfig;
pub use config::{Acks, Address, Config, Isolation, ReaderConfig, Reset, Start, Until, WriterConfig};
pub use connection::ConnId;
pub use consumer::{Batch, Message};
pub use error::{CloseReason, Error, Fate, Fault, WriteError};
pub use handle::{Answer, Call, Client, NewTopic, Reader, Writer};
pub use machine::Outstanding;
pub use notice::{BatchName, Notice};
pub use producer::{Delivery, Written};
pub use record::{Compression, Header};
#[cfg(feature = "recording")]
pub use recording::Recording;
pub use time::{Instant, Now};

//! The sans-IO core of Milena.
pub mod protocol;
pub mod record;
pub mod wire;

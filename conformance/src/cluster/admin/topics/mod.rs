//! Topics and partitions, as administrators see and change them.

mod create;
mod describe;
mod leaders;
mod partitions;

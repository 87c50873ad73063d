//! runtime-async-std

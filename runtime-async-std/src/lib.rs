//! Milena on async-io, for async-std and smol: not built yet. Use `milena-tokio` or `milena-blocking`.

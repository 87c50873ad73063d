//! Futures that are polled once and dropped, again and again, while nothing happens.

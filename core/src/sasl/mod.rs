//! SASL: how a client proves to a broker who it is, one file for each mechanism.
//!
//! A mechanism is a pure challenge/response machine. It has a name, which SaslHandshake says; it makes the client's first
//! message; and each challenge from the broker gives it the next message, or the verdict, or an error. The messages are
//! bytes, and mean nothing to what carries them: SaslAuthenticate requests, or bare frames after a SaslHandshake of version
//! 0. A mechanism that had an error is used up: the connection ends, and another attempt begins at the first message.
//!
//! Two rules keep secrets. A machine holds no password: it takes it for the one step that needs it. And nothing here shows a
//! password, or what would do in place of one, in its `Debug` form or in an error.
//!
//! [`scram`] is the only one so far.

pub mod scram;

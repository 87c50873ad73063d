//! How much a server may ask for and say, and how long a nonce may be.

/// The fewest iterations of PBKDF2 that are accepted of a server: what RFC 7677 asks for, and Java's limit for both
/// mechanisms. With fewer, a server that pretends to be the broker gets a proof from which the password is cheap to guess.
pub const MIN_ITERATIONS: u32 = 4096;

/// The most iterations of PBKDF2 that are accepted of a server. They are the client's CPU time at the server's word, and at
/// this number about a second of it. Kafka stores no credential with more than 16,384; current advice for passwords on disk,
/// which other brokers may follow, is 600,000.
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// The longest server message that is looked at, in bytes. Kafka's are about 120; all of it is kept until the end.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 4096;

/// The longest client nonce, in bytes: the server sends it back, and must be able to within [`MAX_SERVER_MESSAGE_BYTES`].
pub const MAX_NONCE_BYTES: usize = 256;

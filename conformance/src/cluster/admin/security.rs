//! Who may connect.

use std::time::Duration;

/// Who may connect to the brokers, by SASL.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Users and their passwords, good for every mechanism.
    pub users: Vec<(String, String)>,
    /// How long a proof is good for (`connections.max.reauth.ms`): a client has to give another one before (KIP-368).
    /// Default `None`: as long as the connection.
    pub session_lifetime: Option<Duration>,
}

//! What a SASL server says.

use milena_core::sasl::scram::{Scram, ScramMechanism};

use super::Meter;

/// The nonce of the client in RFC 7677's example, with which the seeds begin.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

/// The first byte says whether the rest answers a first or a final message.
pub(super) fn run(input: &[u8], meter: Meter) {
    let Some((step, message)) = input.split_first() else { return };
    let client = Scram::new(ScramMechanism::Sha256, "user", NONCE, &[]).expect("a client");
    if step & 1 == 0 {
        let taken = meter.within(message.len() * 8 + 8192, || client.handle_server_first(message));
        if let Ok(challenge) = taken {
            assert!((4096..=1_000_000).contains(&challenge.iterations()) && !challenge.salt().is_empty());
        }
        return;
    }
    let first = format!("r={NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let challenge = client.handle_server_first(first.as_bytes()).expect("RFC 7677's own");
    let salted = SALTED.with(|kept| kept.get_or_init(|| challenge.salt_password("pencil")).clone());
    let answer = challenge.answer(&salted).expect("its own salt");
    let verdict = meter.within(message.len() * 8 + 8192, || answer.handle_server_final(message));
    // The signature is the server's proof: nothing but this one text is taken.
    assert!(verdict.is_err() || message.starts_with(SIGNATURE), "{message:?}");
    assert!(verdict.is_ok() || message != SIGNATURE);
}

/// What the server of RFC 7677's example says in the end.
const SIGNATURE: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

thread_local! {
    /// The password takes four thousand rounds to salt: once is enough.
    static SALTED: std::cell::OnceCell<milena_core::sasl::scram::SaltedPassword> = const { std::cell::OnceCell::new() };
}

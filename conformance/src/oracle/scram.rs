//! SCRAM exchanges: the lines of `vectors/scram.tsv.gz`.

use std::fmt::Debug;

use data_encoding::BASE64;
use milena_core::sasl::scram::{Answer, Scram, ScramError, ScramMechanism};

/// Goes through one exchange as its client, and through answers that its server must not give.
///
/// `columns` are those of one line, as `vectors/README.md` has them.
///
/// # Errors
///
/// What differs, or what is wrong with the line.
pub fn check(columns: &[&str]) -> Result<(), String> {
    let &[
        mechanism,
        user,
        password,
        salt,
        iterations,
        nonce,
        extensions,
        client_first,
        server_first,
        client_final,
        server_final,
        salted_password,
        stored_key,
        server_key,
    ] = columns
    else {
        return Err(format!("{} columns, not 14", columns.len()));
    };
    let mechanism =
        ScramMechanism::from_name(mechanism).ok_or_else(|| format!("no mechanism {mechanism:?}"))?;
    let extensions = split_extensions(extensions)?;
    let scram =
        Scram::new(mechanism, user, nonce, &extensions).map_err(|error| format!("client first: {error}"))?;
    same("client first", text(scram.message()), client_first)?;

    refuses_other_nonces(&scram, nonce, server_first)?;
    let challenge = scram
        .handle_server_first(server_first.as_bytes())
        .map_err(|error| format!("server first: {error}"))?;
    same("salt", BASE64.encode(challenge.salt()), salt)?;
    same("iterations", challenge.iterations().to_string(), iterations)?;

    let salted = challenge.salt_password(password);
    same("salted password", BASE64.encode(salted.as_bytes()), salted_password)?;
    same("stored key", BASE64.encode(&salted.stored_key()), stored_key)?;
    same("server key", BASE64.encode(&salted.server_key()), server_key)?;

    let answer = challenge.answer(&salted).map_err(|error| format!("client final: {error}"))?;
    same("client final", text(answer.message()), client_final)?;
    refuses_other_signatures(&answer, server_final)?;
    answer.handle_server_final(server_final.as_bytes()).map_err(|error| format!("server final: {error}"))
}

/// `name=value`, any number of them with commas between.
fn split_extensions(column: &str) -> Result<Vec<(&str, &str)>, String> {
    let parts = column.split(',').filter(|_| !column.is_empty());
    parts.map(|part| part.split_once('=').ok_or_else(|| format!("{part:?} is no extension"))).collect()
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

fn same(what: &str, ours: String, theirs: &str) -> Result<(), String> {
    match ours == theirs {
        true => Ok(()),
        false => Err(format!("{what}: {ours:?} instead of {theirs:?}")),
    }
}

fn refused<T: Debug>(what: &str, got: Result<T, ScramError>, expected: &ScramError) -> Result<(), String> {
    match got {
        Err(error) if error == *expected => Ok(()),
        got => Err(format!("{what}: {got:?} instead of {expected:?}")),
    }
}

/// A nonce that does not begin with the client's, and one that is the client's alone.
fn refuses_other_nonces(scram: &Scram, nonce: &str, server_first: &str) -> Result<(), String> {
    let Some((rest, tail)) =
        server_first.strip_prefix("r=").and_then(|behind| behind.split_once(',')).filter(|(rest, _)| {
            // What follows is only worth trying where the true message has the form.
            rest.starts_with(nonce)
        })
    else {
        return Err(format!("server first: {server_first:?} does not begin with the client's nonce"));
    };
    let servers = &rest[nonce.len()..];
    let first = if nonce.starts_with('x') { "y" } else { "x" };
    let foreign = format!("r={first}{}{servers},{tail}", nonce.get(1..).unwrap_or_default());
    refused("wrong nonce", scram.clone().handle_server_first(foreign.as_bytes()), &ScramError::ForeignNonce)?;
    let alone = format!("r={nonce},{tail}");
    refused(
        "the client's nonce alone",
        scram.clone().handle_server_first(alone.as_bytes()),
        &ScramError::NonceNotExtended,
    )
}

/// The signature with a bit turned, for each of its bytes, and with a byte less.
fn refuses_other_signatures(answer: &Answer, server_final: &str) -> Result<(), String> {
    let signature = server_final
        .strip_prefix("v=")
        .and_then(|behind| behind.split(',').next())
        .and_then(|base64| BASE64.decode(base64.as_bytes()).ok())
        .ok_or_else(|| format!("server final: {server_final:?} does not begin with a signature"))?;
    let turned = (0..signature.len()).map(|at| {
        let mut turned = signature.clone();
        turned[at] ^= 1 << (at % 8);
        turned
    });
    let shorter = signature[..signature.len().saturating_sub(1)].to_vec();
    for wrong in turned.chain([shorter]) {
        let message = format!("v={}", BASE64.encode(&wrong));
        refused(
            "wrong signature",
            answer.clone().handle_server_final(message.as_bytes()),
            &ScramError::ServerSignature,
        )?;
    }
    Ok(())
}

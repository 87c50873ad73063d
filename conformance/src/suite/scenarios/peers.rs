//! Peers that are no brokers: what is wrong is said, in time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use milena_core::protocol::MetadataRequest;
use milena_core::wire::{FrameError, LooksLike};
use milena_core::{Call, CloseReason, Config, Error, Fault};

use crate::face::Client;
use crate::suite::place::Place;
use crate::suite::scene::{Outcome, Scene, failed, holds, same};

/// What a peer says to the first bytes it gets, before it closes.
const SAYINGS: [(&str, &[u8]); 5] = [
    ("nothing", b""),
    ("HTTP", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    ("a TLS alert", b"\x15\x03\x03\x00\x02\x02\x46"),
    ("an absurd length", b"\x7f\xff\xff\xff\0\0\0\0"),
    ("an answer cut short", b"\0\0\0\x64\0\0\0\0\0\0"),
];

/// A listener, until the process ends.
fn peer(serve: impl Fn(TcpStream) + Send + Copy + 'static) -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

fn impatient(address: &str) -> Outcome<Config> {
    let mut config = Config::new(address)?;
    config.bootstrap_timeout = Duration::from_secs(2);
    config.api_timeout = Duration::from_secs(2);
    Ok(config)
}

/// What a client says of a peer, in time.
async fn complaint<P: Place>(scene: &Scene<P>, config: Config) -> Outcome<Error> {
    let client = scene.place.client(config)?;
    let start = scene.place.now();
    let result = client.delete_topic("none").await;
    let took = scene.place.now() - start;
    holds("how long it took", took < Duration::from_secs(6), took)?;
    result.err().ok_or_else(|| failed("a peer that is no broker gave an answer"))
}

/// The reason of the one attempt that counted.
fn reason(error: &Error) -> Option<&CloseReason> {
    match error {
        Error::Bootstrap { attempts } => attempts.first().map(|(_, reason)| reason),
        Error::Connection { reason, .. } => Some(reason),
        Error::Timeout { last: Some(last), .. } => reason(last),
        _ => None,
    }
}

pub(super) async fn peers_that_are_no_kafka<P: Place>(scene: Scene<P>) -> Outcome {
    scene.needs_peers()?;
    for (name, words) in SAYINGS {
        let address = peer(move |mut stream| {
            // What was asked is read: closing with unread bytes would reset the connection.
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(words);
            let _ = stream.shutdown(Shutdown::Write);
            while stream.read(&mut asked).is_ok_and(|count| count > 0) {}
        })?;
        scene.step(name);
        let error = complaint(&scene, impatient(&address)?).await?;
        let reason = reason(&error).ok_or_else(|| failed(format!("{name}: {error}")))?;
        let right = match (name, reason) {
            ("nothing", CloseReason::Eof { before_first_answer, .. }) => *before_first_answer,
            ("an answer cut short", CloseReason::Eof { mid_frame, .. }) => *mid_frame,
            ("HTTP", CloseReason::Frame(FrameError::TooLarge { looks_like, .. })) => {
                *looks_like == LooksLike::Http
            }
            ("a TLS alert", CloseReason::Frame(FrameError::TooLarge { looks_like, .. })) => {
                *looks_like == LooksLike::Tls
            }
            ("an absurd length", CloseReason::Frame(FrameError::TooLarge { .. })) => true,
            _ => false,
        };
        holds(name, right, &error)?;
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    drop(listener);
    scene.step("nobody");
    let error = complaint(&scene, impatient(&address)?).await?;
    holds("nobody", matches!(reason(&error), Some(CloseReason::Connect(..))), &error)
}

pub(super) async fn peers_that_say_nothing<P: Place>(scene: Scene<P>) -> Outcome {
    scene.needs_peers()?;
    let address = peer(std::mem::forget)?;
    let mut config = impatient(&address)?;
    config.request_timeout = Duration::from_millis(500);
    let error = complaint(&scene, config).await?;
    holds("silence", matches!(reason(&error), Some(CloseReason::RequestTimeout { .. })), &error)?;
    same("whose fault it is", error.fault(), Fault::Network)?;
    scene.step("dropping a client that waits for silence");
    let client = scene.place.client(impatient(&address)?)?;
    let waiting = client.clone();
    let calling =
        scene.place.spawn(async move { waiting.call(Call::new(MetadataRequest::default())).await.map(drop) });
    scene.sleep(Duration::from_millis(100)).await;
    client.close();
    same("a call under way", calling.await, Err(Error::Closed))
}

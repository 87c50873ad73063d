//! Whether a broker is ready, asked by protocol.
//!
//! An open port says little: releases up to 3.3 bind early, accept, and answer seconds later, or answer that there
//! are no brokers yet. So each probe is short, on a connection of its own, and is repeated by the caller.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use milena_core::protocol::{
    ApiVersionsRequest, MetadataRequest, Request, correlation_id, decode_response, encode_request,
};

/// Long enough for a busy machine's answer, short enough that an answer which never comes costs little.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The answers name a few brokers and no topics: some kilobytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// What a broker says of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brokers {
    pub(super) controller: i32,
    pub(super) ports: BTreeSet<i32>,
}

impl Brokers {
    /// Whether a controller is known, and every broker that should be there.
    pub(super) fn is_complete(&self, ports: &[u16]) -> bool {
        self.controller >= 0 && ports.iter().all(|port| self.ports.contains(&i32::from(*port)))
    }
}

/// Asks the broker at `port` once for its versions and its cluster; the error says what came instead.
pub(super) fn probe(port: u16) -> Result<Brokers, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream =
        TcpStream::connect_timeout(&address, PROBE_LIMIT).map_err(|error| format!("connect: {error}"))?;
    stream
        .set_read_timeout(Some(PROBE_LIMIT))
        .and_then(|()| stream.set_write_timeout(Some(PROBE_LIMIT)))
        .map_err(|error| format!("timeouts: {error}"))?;
    // The two versions that every broker from 0.10.1 to 4.3 answers.
    let versions = call(&mut stream, &mut ApiVersionsRequest::default(), 0)?;
    if !versions.error_code.is_ok() {
        return Err(format!("ApiVersions: {}", versions.error_code));
    }
    let mut request = MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() };
    let metadata = call(&mut stream, &mut request, 1)?;
    Ok(Brokers {
        controller: metadata.controller_id.0,
        ports: metadata.brokers.iter().map(|broker| broker.port).collect(),
    })
}

fn call<R: Request>(stream: &mut TcpStream, request: &mut R, version: i16) -> Result<R::Response, String> {
    const CORRELATION: i32 = 1;
    let name = R::KEY;
    let frame = encode_request(request, version, CORRELATION, Some("milena-probe"))
        .map_err(|error| format!("{name}: {error}"))?;
    stream.write_all(&frame.to_bytes()).map_err(|error| format!("{name}: {error}"))?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).map_err(|error| format!("{name}: {error}"))?;
    let length = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > MAX_RESPONSE_BYTES {
        return Err(format!("{name}: an answer of {length} bytes is none of Kafka's"));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).map_err(|error| format!("{name}: {error}"))?;
    if correlation_id(&payload) != Some(CORRELATION) {
        return Err(format!("{name}: the answer is to another request"));
    }
    let (_, response) =
        decode_response::<R>(Bytes::from(payload), version).map_err(|error| format!("{name}: {error}"))?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use milena_core::protocol::metadata::MetadataResponseBroker;
    use milena_core::protocol::{
        ApiVersionsResponse, BrokerId, ErrorCode, MetadataResponse, encode_response,
    };
    use std::net::TcpListener;
    use std::thread;

    fn read_request(stream: &mut TcpStream) {
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).expect("a request");
        let length = usize::try_from(i32::from_be_bytes(prefix)).expect("a length");
        stream.read_exact(&mut vec![0; length]).expect("a whole request");
    }

    /// A broker for one probe: answers each request with the next frame.
    fn broker(frames: Vec<Vec<u8>>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a probe");
            for frame in frames {
                read_request(&mut stream);
                stream.write_all(&frame).expect("written");
            }
        });
        port
    }

    fn versions(error_code: ErrorCode) -> Vec<u8> {
        let mut response = ApiVersionsResponse { error_code, ..Default::default() };
        encode_response::<ApiVersionsRequest>(&mut response, 0, 1).expect("encodes").to_bytes().to_vec()
    }

    fn metadata(controller: i32, ports: &[i32]) -> Vec<u8> {
        let brokers = ports.iter().map(|port| MetadataResponseBroker { port: *port, ..Default::default() });
        let mut response = MetadataResponse {
            brokers: brokers.collect(),
            controller_id: BrokerId(controller),
            ..Default::default()
        };
        encode_response::<MetadataRequest>(&mut response, 1, 1).expect("encodes").to_bytes().to_vec()
    }

    #[test]
    fn a_ready_broker_lists_itself_and_a_controller() {
        let brokers =
            probe(broker(vec![versions(ErrorCode::NONE), metadata(2, &[91, 92])])).expect("answers");
        assert_eq!(brokers, Brokers { controller: 2, ports: [91, 92].into() });
        assert!(brokers.is_complete(&[91]));
        assert!(brokers.is_complete(&[92, 91]));
        assert!(!brokers.is_complete(&[91, 93]));
    }

    #[test]
    fn no_controller_is_not_ready() {
        let brokers = probe(broker(vec![versions(ErrorCode::NONE), metadata(-1, &[91])])).expect("answers");
        assert!(!brokers.is_complete(&[91]));
    }

    #[test]
    fn refusals_resets_and_garbage_are_told_apart() {
        let refused = probe(broker(vec![versions(ErrorCode::UNSUPPORTED_VERSION)])).expect_err("refused");
        assert!(refused.contains("UNSUPPORTED_VERSION"), "{refused}");
        let closed = probe(broker(Vec::new())).expect_err("closed");
        assert!(closed.starts_with("ApiVersions") || closed.starts_with("connect"), "{closed}");
        let huge = probe(broker(vec![b"HTTP/1.1 400 Bad Request".to_vec()])).expect_err("not Kafka");
        assert!(huge.contains("none of Kafka's"), "{huge}");
    }
}

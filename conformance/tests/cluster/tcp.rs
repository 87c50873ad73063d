//! The cluster behind TCP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use milena_conformance::cluster::Cluster;
use milena_core::protocol::{
    BrokerId, ErrorCode, FetchRequest, LeaderEpoch, MetadataRequest, ProduceRequest, Request,
    decode_response, encode_request,
};
use milena_core::record::{BatchBuilder, Compression, Producer};
use milena_core::wire::Framer;

use crate::script::{WALL_MS, fetch_request, fetched, metadata_request, produce_request, values};

/// A blocking client of one connection, bounded in time.
struct Tcp {
    stream: TcpStream,
    framer: Framer,
}

impl Tcp {
    fn connect(cluster: &Cluster, broker: usize) -> Self {
        let stream = TcpStream::connect(cluster.addresses()[broker - 1]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Tcp { stream, framer: Framer::new(100 << 20) }
    }

    fn send<R: Request>(&mut self, mut request: R, version: i16) {
        let frame = encode_request(&mut request, version, 1, None).unwrap();
        self.stream.write_all(&frame.to_bytes()).unwrap();
    }

    /// `None`: closed.
    fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let mut buffer = [0; 65536];
        loop {
            if let Some(frame) = self.framer.next_frame() {
                return Some(decode_response::<R>(frame, version).unwrap().1);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.framer.push(&buffer[..count]).unwrap(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn now_batch(value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(value.len() + 100);
    builder.append(WALL_MS, None, Some(value), &[]);
    builder.seal(Compression::None, Producer::NONE).unwrap()
}

#[test]
fn tcp_serves_many_requests_and_long_polls() {
    let cluster = Cluster::builder().topic("t", 1).start().unwrap();
    let mut reader = Tcp::connect(&cluster, 1);
    let wait = FetchRequest { max_wait_ms: 20_000, max_bytes: 50 << 20, ..fetch_request("t", 0, 0) };
    reader.send(wait, 12);
    let mut writer = Tcp::connect(&cluster, 1);
    let value = vec![b'v'; 500_000];
    for _ in 0..20 {
        writer.send(produce_request("t", 0, 1, now_batch(&value)), 12);
    }
    for offset in 0..20 {
        let response = writer.receive::<ProduceRequest>(12).unwrap();
        assert_eq!(response.responses[0].partition_responses[0].base_offset, offset);
    }
    let (code, first) = fetched(&reader.receive::<FetchRequest>(12).unwrap());
    assert_eq!(code, ErrorCode::NONE);
    assert_eq!((first[0].0, first[0].1.len()), (0, 500_000), "woken by the first batch");
    let mut read = first.len() as i64;
    while read < 20 {
        let mut request = fetch_request("t", 0, read);
        request.max_bytes = 50 << 20;
        request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        reader.send(request, 12);
        read += fetched(&reader.receive::<FetchRequest>(12).unwrap()).1.len() as i64;
    }
    assert_eq!(read, 20);
    // A timer's answer, and hanging up on garbage.
    reader.send(FetchRequest { max_wait_ms: 10, ..fetch_request("t", 0, 20) }, 12);
    assert_eq!(fetched(&reader.receive::<FetchRequest>(12).unwrap()), values(&[]));
    writer.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(writer.receive::<ProduceRequest>(12).is_none());
}

#[test]
fn tcp_brokers_stop_and_start_on_their_ports() {
    let cluster = Cluster::builder().nodes(3).topic("t", 1).as_version("2.8.2").start().unwrap();
    let addresses = cluster.addresses().to_vec();
    let mut waiting = Tcp::connect(&cluster, 1);
    waiting.send(FetchRequest { max_wait_ms: 20_000, ..fetch_request("t", 0, 0) }, 11);
    let mut other = Tcp::connect(&cluster, 2);
    assert!(cluster.stop_broker(BrokerId(1)));
    assert!(!cluster.stop_broker(BrokerId(1)));
    assert!(waiting.receive::<FetchRequest>(11).is_none());
    assert!(TcpStream::connect(addresses[0]).is_err(), "refused");
    assert_eq!(cluster.leader("t", 0), Some((BrokerId(2), LeaderEpoch(1))));
    other.send(metadata_request("t"), 9);
    let metadata = other.receive::<MetadataRequest>(9).unwrap();
    let ports: Vec<_> = metadata.brokers.iter().map(|broker| broker.port).collect();
    assert_eq!(ports, [i32::from(addresses[1].port()), i32::from(addresses[2].port())]);
    assert!(cluster.start_broker(BrokerId(1)).unwrap());
    let mut back = Tcp::connect(&cluster, 1);
    back.send(metadata_request("t"), 9);
    assert_eq!(back.receive::<MetadataRequest>(9).unwrap().brokers.len(), 3);
    // A client that takes nothing does not hold up the end.
    let mut lazy = Tcp::connect(&cluster, 2);
    for _ in 0..64 {
        other.send(produce_request("t", 0, 1, now_batch(&vec![0; 500_000])), 9);
        other.receive::<ProduceRequest>(9).unwrap();
        let mut request = fetch_request("t", 0, 0);
        request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        request.max_bytes = 50 << 20;
        lazy.send(request, 11);
    }
    drop(cluster);
    assert!(back.receive::<MetadataRequest>(9).is_none());
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
}

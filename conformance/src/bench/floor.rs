//! The same bytes by one bare thread over a loopback socket, without a client: what can't be left out.
//!
//! Writing is: encode each record into a batch, seal it with its CRC, write it. Reading is: read a batch, check its CRC, walk
//! its records. There are no requests, no answers, no partitions; buffers are used again. The other end is a second thread,
//! whose CPU does not count.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use milena_core::record::{BatchBuilder, Batches, Compression, Limits, Producer};

use super::measure::{Cost, Mark, thread_cpu};
use super::values::Values;
use super::{Bench, Kind, Result, line};
use crate::null_broker::{BATCH_BYTES, batch};

pub(super) fn run(bench: &Bench) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    let (mark, cpu) = (Mark::now(), thread_cpu());
    let (records, bytes) = match bench.kind {
        Kind::Consume => consume(near, far, bench)?,
        _ => produce(near, far, bench)?,
    };
    let cost = Cost { cpu: thread_cpu() - cpu, ..mark.cost() };
    Ok(line(&Bench { records, ..bench.clone() }, &cost, bytes, &[]))
}

fn produce(mut near: TcpStream, mut far: TcpStream, bench: &Bench) -> Result<(usize, usize)> {
    let other = thread::spawn(move || {
        let mut buffer = vec![0; BATCH_BYTES];
        while !matches!(far.read(&mut buffer), Ok(0) | Err(_)) {}
    });
    let (values, mut written) = (Values::new(bench.size), 0);
    while written < bench.records {
        // The allocator gives the same memory each time.
        let mut builder = BatchBuilder::with_capacity(BATCH_BYTES);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
        builder.append(now, None, Some(values.at(written)), &[]);
        written += 1;
        while written < bench.records
            && builder.append_within(BATCH_BYTES, now, None, Some(values.at(written)), &[]).is_ok()
        {
            written += 1;
        }
        near.write_all(&builder.seal(Compression::None, Producer::NONE)?)?;
    }
    drop(near);
    other.join().map_err(|_| "the other end panicked")?;
    Ok((written, written * bench.size))
}

fn consume(mut near: TcpStream, mut far: TcpStream, bench: &Bench) -> Result<(usize, usize)> {
    let batch = batch(bench.size);
    let mut buffer = vec![0; batch.len()];
    // It ends when the near end is closed.
    let other = thread::spawn(move || while far.write_all(&batch).is_ok() {});
    let (mut records, mut bytes) = (0, 0);
    while records < bench.records {
        near.read_exact(&mut buffer)?;
        let whole = Bytes::from(buffer);
        for batch in Batches::new(whole.clone()) {
            let batch = batch?;
            batch.verify_crc()?;
            let mut cursor = batch.records(&Limits::default())?;
            while let Some(record) = cursor.next_ref() {
                (records, bytes) = (records + 1, bytes + record?.value.map_or(0, <[u8]>::len));
            }
        }
        buffer = Vec::from(whole);
    }
    drop(near);
    other.join().map_err(|_| io::Error::other("the other end panicked"))?;
    Ok((records, bytes))
}

//! Writing and reading as fast as it goes, and one write at a time.

use std::time::Instant;

use milena_core::{ReaderConfig, Record, Until, WriterConfig};

use super::measure::Mark;
use super::values::Values;
use super::{Bench, Result, line};
use crate::face::{Client, Delivery, Reader, Writer};

/// One record in so many is asked what became of it: a batch has many more, and all of a batch fail together.
const SAMPLE: usize = 16;

pub(super) async fn produce<C: Client>(client: &C, bench: &Bench) -> Result<String> {
    let values = Values::new(bench.size);
    let writer = writer(client, bench, &values).await?;
    let mut sample = Vec::with_capacity(bench.records.div_ceil(SAMPLE) + 1);
    let mark = Mark::now();
    for i in 0..bench.records {
        let delivery = writer.enqueue(Record::new(values.at(i))).await?;
        if i % SAMPLE == 0 || i + 1 == bench.records {
            sample.push(delivery);
        }
    }
    writer.flush().await;
    let cost = mark.cost();
    let mut failures = sample.iter().filter_map(failure);
    if let Some(first) = failures.next() {
        let failed = failures.count() + 1;
        return Err(format!("{failed} of {} records asked after failed: {first}", sample.len()).into());
    }
    Ok(line(bench, &cost, bench.records * bench.size, &[]))
}

/// Its error, or none if it was acknowledged.
fn failure(delivery: &impl Delivery) -> Option<String> {
    match delivery.outcome() {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => Some("nothing became of it".to_owned()),
    }
}

pub(super) async fn consume<C: Client>(client: &C, bench: &Bench) -> Result<String> {
    let mut config = ReaderConfig::new(&bench.topic);
    config.until = Until::End;
    let mark = Mark::now();
    let mut reader = client.reader(config)?;
    let (mut records, mut bytes) = (0, 0);
    while records < bench.records {
        let too_few = || format!("topic {:?} has only {records} records to read", bench.topic);
        if bench.messages {
            let message = reader.next().await.ok_or_else(too_few)??;
            (records, bytes) = (records + 1, bytes + message.value.map_or(0, |value| value.len()));
            continue;
        }
        let mut batch = reader.next_batch().await.ok_or_else(too_few)??;
        while let Some(record) = batch.next_record() {
            (records, bytes) = (records + 1, bytes + record?.value.map_or(0, <[u8]>::len));
        }
    }
    let cost = mark.cost();
    Ok(line(&Bench { records, ..bench.clone() }, &cost, bytes, &[]))
}

pub(super) async fn latency<C: Client>(client: &C, bench: &Bench) -> Result<String> {
    let values = Values::new(bench.size);
    let writer = writer(client, bench, &values).await?;
    let mut micros = Vec::with_capacity(bench.records);
    let mark = Mark::now();
    for i in 0..bench.records {
        let start = Instant::now();
        writer.write(Record::new(values.at(i))).await?;
        micros.push(start.elapsed().as_micros());
    }
    let cost = mark.cost();
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share).round() as usize];
    let percentiles = [("p50_us", at(0.5)), ("p99_us", at(0.99)), ("max_us", at(1.0))];
    Ok(line(bench, &cost, bench.records * bench.size, &percentiles))
}

/// A writer whose first record was acknowledged.
pub(super) async fn writer<C: Client>(client: &C, bench: &Bench, values: &Values) -> Result<C::Writer> {
    let mut config = WriterConfig::new(&bench.topic).acks(bench.acks);
    config.compression = bench.codec;
    config.linger = bench.linger;
    let writer = client.writer(config)?;
    writer.write(Record::new(values.at(0))).await?;
    Ok(writer)
}

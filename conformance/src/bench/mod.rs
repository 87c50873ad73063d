//! Benches of the client: throughput of writing and reading, and the latency of one write.
//!
//! Only the steady part is measured: connecting, creating the topic and a first record come before.

mod measure;

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::Instant;

use milena_core::protocol::ErrorCode;
use milena_core::{Acks, Compression, Config, Error, NewTopic, ReaderConfig, Record, Until, WriterConfig};
use tokio::runtime::Builder;

use crate::face::{Client, Delivery, Reader, Writer, at_once};
use measure::{Cost, Mark, peak_rss_mb};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records handed over as fast as they are taken.
    Produce,
    /// Records read from the first on.
    Consume,
    /// Records written one at a time.
    Latency,
}

/// The client's runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// tokio, with that many worker threads; 0 for the current thread alone.
    Tokio {
        /// Worker threads.
        threads: usize,
    },
    /// Threads.
    Blocking,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bench {
    /// What is measured.
    pub kind: Kind,
    /// `host:port` of one or more brokers.
    pub bootstrap: String,
    /// The topic written or read.
    pub topic: String,
    /// The client's runtime.
    pub runtime: Runtime,
    /// Records to measure.
    pub records: usize,
    /// Bytes of one value. Told only, not used, by [`Kind::Consume`], as are the codec and the acks.
    pub size: usize,
    /// Codec of what is written.
    pub codec: Compression,
    /// Partitions of the topic, if it has to be created.
    pub partitions: i32,
    /// When a write is done.
    pub acks: Acks,
    /// Whether to read owned messages one by one, not batches in place.
    pub messages: bool,
}

type Result<T> = std::result::Result<T, Box<dyn StdError>>;

/// Measures, and tells it in one line of `key=value` pairs.
///
/// # Errors
/// Those of the client; records that were not acknowledged; fewer records in the topic than are to be read.
pub fn run(bench: &Bench) -> Result<String> {
    let config = Config::new(&bench.bootstrap)?;
    match bench.runtime {
        Runtime::Tokio { threads } => {
            let mut builder = match threads {
                0 => Builder::new_current_thread(),
                _ => Builder::new_multi_thread(),
            };
            let runtime = builder.worker_threads(threads.max(1)).enable_all().build()?;
            runtime.block_on(async { measured(milena_tokio::connect(config).await?, bench).await })
        }
        Runtime::Blocking => at_once(measured(milena_blocking::connect(config)?, bench)),
    }
}

async fn measured<C: Client>(client: C, bench: &Bench) -> Result<String> {
    if bench.kind != Kind::Consume {
        match client.create_topic(NewTopic::new(&bench.topic, bench.partitions)).await {
            Err(Error::Rejected { code: ErrorCode::TOPIC_ALREADY_EXISTS, .. }) => {}
            result => result?,
        }
    }
    match bench.kind {
        Kind::Produce => produce(&client, bench).await,
        Kind::Consume => consume(&client, bench).await,
        Kind::Latency => latency(&client, bench).await,
    }
}

/// One record in so many is asked what became of it: a batch has many more, and all of a batch fail together.
const SAMPLE: usize = 16;

async fn produce<C: Client>(client: &C, bench: &Bench) -> Result<String> {
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

async fn consume<C: Client>(client: &C, bench: &Bench) -> Result<String> {
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

async fn latency<C: Client>(client: &C, bench: &Bench) -> Result<String> {
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
async fn writer<C: Client>(client: &C, bench: &Bench, values: &Values) -> Result<C::Writer> {
    let mut config = WriterConfig::new(&bench.topic).acks(bench.acks);
    config.compression = bench.codec;
    let writer = client.writer(config)?;
    writer.write(Record::new(values.at(0))).await?;
    Ok(writer)
}

fn line(bench: &Bench, cost: &Cost, bytes: usize, more: &[(&str, u128)]) -> String {
    let Bench { records, size, codec, partitions, .. } = bench;
    let kind = match bench.kind {
        Kind::Produce => "produce",
        Kind::Consume if bench.messages => "consume-messages",
        Kind::Consume => "consume",
        Kind::Latency => "latency",
    };
    let runtime = match bench.runtime {
        Runtime::Tokio { threads: 0 } => "tokio".to_owned(),
        Runtime::Tokio { threads } => format!("tokio-{threads}"),
        Runtime::Blocking => "blocking".to_owned(),
    };
    let acks = match bench.acks {
        Acks::All => "all",
        Acks::Leader => "1",
        Acks::None => "0",
    };
    let (seconds, count) = (cost.elapsed.as_secs_f64(), *records as f64);
    let mut line = format!(
        "bench={kind} runtime={runtime} records={records} size={size} codec={codec} partitions={partitions} acks={acks}"
    );
    // Writing to a String does not fail.
    let _ = write!(
        line,
        " records_per_s={:.0} mb_per_s={:.1} cpu_s_per_m={:.3} allocs_per_record={:.4}",
        count / seconds,
        bytes as f64 / 1e6 / seconds,
        cost.cpu.as_secs_f64() * 1e6 / count,
        cost.allocations as f64 / count,
    );
    more.iter().for_each(|(key, value)| _ = write!(line, " {key}={value}"));
    if let Some(peak) = peak_rss_mb() {
        let _ = write!(line, " peak_rss_mb={peak:.1}");
    }
    line
}

/// Values of random capital letters, as Kafka's own producer bench writes them: codecs can do a little with them.
struct Values {
    letters: Vec<u8>,
    size: usize,
}

/// Bytes before the values repeat: about a batch.
const PERIOD: usize = 1 << 20;

impl Values {
    fn new(size: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let letters = std::iter::repeat_with(|| {
            // Xorshift with Marsaglia's numbers.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'A' + (state >> 32) as u8 % 26
        });
        Values { letters: letters.take(PERIOD + size).collect(), size }
    }

    fn at(&self, index: usize) -> &[u8] {
        let start = index.wrapping_mul(self.size) % PERIOD;
        &self.letters[start..start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ_and_have_their_size() {
        let values = Values::new(100);
        assert_ne!(values.at(0), values.at(1));
        assert!([0, 1, 10_485, 10_486, usize::MAX].iter().all(|i| values.at(*i).len() == 100));
        assert_eq!(Values::new(0).at(7), b"");
    }
}

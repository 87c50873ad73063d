//! What a client costs that has nothing to do: with a writer that never wrote, so that it only knows its topic; with one that
//! has written to all partitions it came to; and with a reader that has read all there is.

use std::fmt::Write as _;
use std::time::Duration;

use milena_core::{ReaderConfig, Record, WriterConfig};

use super::measure::Mark;
use super::{Bench, Host, Result};
use crate::face::{Client, Reader, Writer};

/// Enough without keys to reach every broker.
const WRITES: usize = 1000;
/// What follows a stage's last call, such as answers on their way, is over then.
const SETTLING: Duration = Duration::from_secs(2);

pub(super) async fn run<C: Client>(client: &C, bench: &Bench, host: &Host) -> Result<String> {
    let mut lines = String::new();
    let writer = client.writer(WriterConfig::new(&bench.topic))?;
    stage(&mut lines, "metadata", bench, host).await;
    for _ in 0..WRITES {
        writer.write(Record::new("idle")).await?;
    }
    stage(&mut lines, "writer", bench, host).await;
    let mut reader = client.reader(ReaderConfig::new(&bench.topic))?;
    for _ in 0..WRITES {
        reader.next().await.ok_or("the reader ended")??;
    }
    stage(&mut lines, "reader", bench, host).await;
    lines.truncate(lines.trim_end().len());
    Ok(lines)
}

async fn stage(lines: &mut String, holding: &str, bench: &Bench, host: &Host) {
    (host.sleep)(SETTLING).await;
    let mark = Mark::now();
    (host.sleep)(Duration::from_secs(bench.seconds)).await;
    let cost = mark.cost();
    let minutes = cost.elapsed.as_secs_f64() / 60.0;
    // Writing to a String does not fail.
    let _ = writeln!(
        lines,
        "bench=idle runtime={} holding={holding} seconds={} switches_per_min={:.0} cpu_ms_per_min={:.2}",
        bench.runtime,
        bench.seconds,
        cost.switches as f64 / minutes,
        cost.cpu.as_secs_f64() * 1e3 / minutes,
    );
}

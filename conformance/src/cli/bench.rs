//! `milena-conformance bench`: one measurement against a running cluster, as one line of output.

use std::io::{self, Write as _};

use lexopt::{Arg, Parser, ValueExt as _};
use milena_core::{Acks, Compression, Config};

use crate::bench::{self, Bench, Kind, Runtime};
use crate::cli::Failure;

const HELP: &str = "\
Usage: milena-conformance bench produce|consume|latency --bootstrap-server HOST:PORT --topic NAME [OPTIONS]

Measures one thing against a running cluster and prints one line of key=value pairs. The topic is created if it is
missing (with one replica); `consume` wants one that `produce` has filled.

  produce  hands over records as fast as they are taken, and waits until all are acknowledged
  consume  reads records from the first on
  latency  writes one record at a time and waits for each

Options:
  --runtime tokio|blocking  [default: tokio]
  --threads N               tokio's worker threads; 0: the current thread alone [default: 0]
  --records N               records to measure [default: 1000000, latency: 10000]
  --size BYTES              of each value; records have no key [default: 100]
  --codec CODEC             none, gzip, snappy, lz4 or zstd [default: none]
  --partitions N            of the topic, if it has to be created [default: 6]
  --acks all|1|0            [default: all]
  --messages                consume: read owned messages one by one, not batches in place
  --help                    print this

Output: what was asked for, then
  records_per_s, mb_per_s   over the measured time; a megabyte is 1,000,000 bytes of values
  cpu_s_per_m               CPU seconds, user and system, of this process for a million records
  allocs_per_record         calls of the allocator
  p50_us, p99_us, max_us    of one write (latency)
  peak_rss_mb               the most memory this process ever had; Linux only
";

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when a record was not acknowledged, or is not there to be read.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let output =
        match options(parser).map_err(|error| Failure::Usage(format!("{error}; see bench --help")))? {
            Some(bench) => format!("{}\n", bench::run(&bench).map_err(|error| error.to_string())?),
            None => HELP.to_owned(),
        };
    io::stdout().write_all(output.as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

/// `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<Bench>, lexopt::Error> {
    let (mut kind, mut bootstrap, mut topic, mut records) = (None, None, None, None);
    let mut bench = Bench {
        kind: Kind::Produce,
        bootstrap: String::new(),
        topic: String::new(),
        runtime: Runtime::Tokio { threads: 0 },
        records: 0,
        size: 100,
        codec: Compression::None,
        partitions: 6,
        acks: Acks::All,
        messages: false,
    };
    let mut threads = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(name) if kind.is_none() => {
                kind = Some(match name.to_str() {
                    Some("produce") => Kind::Produce,
                    Some("consume") => Kind::Consume,
                    Some("latency") => Kind::Latency,
                    _ => return Err(format!("{name:?} is none of produce, consume, latency").into()),
                });
            }
            Arg::Long("bootstrap-server") => bootstrap = Some(parser.value()?.string()?),
            Arg::Long("topic") => topic = Some(parser.value()?.string()?),
            Arg::Long("runtime") => {
                bench.runtime = match parser.value()?.string()?.as_str() {
                    "tokio" => Runtime::Tokio { threads: 0 },
                    "blocking" => Runtime::Blocking,
                    other => return Err(format!("--runtime: {other:?} is none of tokio, blocking").into()),
                };
            }
            Arg::Long("threads") => threads = Some(parser.value()?.parse()?),
            Arg::Long("records") => records = Some(parser.value()?.parse()?),
            Arg::Long("size") => bench.size = parser.value()?.parse()?,
            Arg::Long("codec") => bench.codec = parser.value()?.parse()?,
            Arg::Long("partitions") => bench.partitions = parser.value()?.parse()?,
            Arg::Long("acks") => bench.acks = parser.value()?.parse()?,
            Arg::Long("messages") => bench.messages = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let missing = |what: &str| lexopt::Error::from(format!("{what} is missing"));
    bench.kind = kind.ok_or_else(|| missing("what to measure (produce, consume or latency)"))?;
    bench.bootstrap = bootstrap.ok_or_else(|| missing("--bootstrap-server"))?;
    Config::new(&bench.bootstrap).map_err(|error| error.to_string())?;
    bench.topic = topic.ok_or_else(|| missing("--topic"))?;
    bench.records = records.unwrap_or(if bench.kind == Kind::Latency { 10_000 } else { 1_000_000 });
    let rule = |holds: bool, wrong: &str| if holds { Ok(()) } else { Err(lexopt::Error::from(wrong)) };
    rule(bench.records > 0, "--records: must be 1 or more")?;
    rule(bench.kind != Kind::Latency || bench.acks == Acks::All, "--acks: latency is measured with all")?;
    rule(!bench.messages || bench.kind == Kind::Consume, "--messages: is for consume only")?;
    match (&mut bench.runtime, threads) {
        (_, None) => {}
        (Runtime::Tokio { threads }, Some(given)) => *threads = given,
        (Runtime::Blocking, Some(_)) => return Err("--threads: is for tokio only".into()),
    }
    Ok(Some(bench))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Result<Option<Bench>, String> {
        options(&mut Parser::from_args(args.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read() {
        let args = "consume --bootstrap-server h:1 --topic t --threads 2 --runtime tokio --size=7 --codec zstd --messages";
        let bench = parsed(args).unwrap().unwrap();
        assert_eq!((bench.kind, bench.runtime), (Kind::Consume, Runtime::Tokio { threads: 2 }));
        assert_eq!((bench.records, bench.size, bench.codec), (1_000_000, 7, Compression::Zstd));
        assert!(bench.messages);
        let bench = parsed("latency --bootstrap-server h --topic t --runtime blocking").unwrap().unwrap();
        assert_eq!((bench.kind, bench.runtime, bench.records), (Kind::Latency, Runtime::Blocking, 10_000));
        assert_eq!(parsed("--help").unwrap(), None);
    }

    #[test]
    fn bad_options_are_named() {
        for (args, named) in [
            ("", "what to measure"),
            ("consume", "--bootstrap-server"),
            ("consume --bootstrap-server h", "--topic"),
            ("consume --bootstrap-server h:x --topic t", "port"),
            ("read", "read"),
            ("produce consume", "consume"),
            ("produce --runtime green", "green"),
            ("produce --codec zip", "zip"),
            ("produce --acks 2", "acks"),
            ("produce --bootstrap-server h --topic t --records 0", "--records"),
            ("produce --bootstrap-server h --topic t --messages", "--messages"),
            ("latency --bootstrap-server h --topic t --acks 1", "--acks"),
            ("produce --bootstrap-server h --topic t --runtime blocking --threads 2", "--threads"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}

//! `milena-conformance bench`: one measurement against a running cluster, or all runtimes beside each other.

use std::io::{self, Write as _};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};
use milena_core::{Acks, Compression, Config};

use crate::bench::{self, Bench, Comparison, Kind, Runtime};
use crate::cli::Failure;

const HELP: &str = "\
Usage: milena-conformance bench produce|consume|latency|idle|fairness --bootstrap-server HOST:PORT --topic NAME [OPTIONS]
       milena-conformance bench floor produce|consume [--records N] [--size BYTES]
       milena-conformance bench all [--records N] [--size BYTES] [--rounds R]

Measures one thing against a running cluster and prints lines of key=value pairs. The topic is created if it is missing (with
one replica); `consume` wants one that `produce` has filled, or a null broker's.

  produce   hands over records as fast as they are taken, and waits until all are acknowledged
  consume   reads records from the first on
  latency   writes one record at a time and waits for each
  idle      does nothing: with a writer that never wrote, one that has, and a reader that has read all; wants a topic with
            nothing in it
  fairness  a task that gives way and sleeps, alone and beside a writer and a reader at full speed on the same thread;
            wants a null broker
  floor     the same bytes by one bare thread, without a client: encode, CRC, write; or read, CRC, walk the records
  all       produce (with a linger of 5 ms, so that all send batches alike, and without), consume and latency on every runtime,
            and the floor, against null brokers of its own: the median of some rounds, as lines and as a table

Options:
  --runtime RUNTIME  tokio, smol, async-std or blocking [default: tokio]; fairness: tokio or smol, on one thread
  --threads N        tokio's worker threads; 0: the current thread alone [default: 0]
  --records N        records to measure [default: 1000000, latency: 10000, all: 2000000 and a hundredth for latency]
  --size BYTES       of each value; records have no key [default: 100]
  --codec CODEC      none, gzip, snappy, lz4 or zstd [default: none]
  --partitions N     of the topic, if it has to be created [default: 6]
  --acks all|1|0     [default: all]
  --linger MS        produce: how long a batch that is not full waits for more [default: 0]
  --messages         consume: read owned messages one by one, not batches in place
  --record           the client keeps a recording (flight recorder), as large as by default
  --seconds S        idle, fairness: measure so long for each line [default: 10]
  --rounds R         all: measure everything so many times [default: 3]
  --help             print this

Output: what was asked for, then
  records_per_s, mb_per_s   over the measured time; a megabyte is 1,000,000 bytes of values
  cpu_s_per_m               CPU seconds, user and system, of this process for a million records (floor: of the one thread)
  allocs_per_record         calls of the allocator
  switches                  voluntary context switches of all threads; Linux only
  p50_us, p99_us, max_us    of one write (latency), of one turn, its CPU, or a sleep (fairness)
  peak_rss_mb               the most memory this process ever had; Linux only
  requests, switches_per_request, broker_cpu_s_per_m
                            all: Produce or Fetch requests that the null broker answered, and what those cost it
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    One(Bench),
    All(Comparison),
}

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when a record was not acknowledged, or is not there to be read.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let asked = options(parser).map_err(|error| Failure::Usage(format!("{error}; see bench --help")))?;
    let output = match asked {
        None => Ok(HELP.trim_end().to_owned()),
        Some(Asked::One(bench)) => bench::run(&bench),
        Some(Asked::All(comparison)) => bench::compare(&comparison),
    };
    let output = output.map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "{output}").map_err(|error| Failure::Failed(error.to_string()))
}

/// What can be named as what to measure, and its kind; none for all.
const NAMES: [(&str, Option<Kind>); 6] = [
    ("produce", Some(Kind::Produce)),
    ("consume", Some(Kind::Consume)),
    ("latency", Some(Kind::Latency)),
    ("idle", Some(Kind::Idle)),
    ("fairness", Some(Kind::Fairness)),
    ("all", None),
];

/// `None` for `--help`.
fn options(parser: &mut Parser) -> Result<Option<Asked>, lexopt::Error> {
    let (mut kind, mut floor, mut bootstrap, mut topic, mut records) = (None, false, None, None, None);
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
        record: false,
        linger: Duration::ZERO,
        seconds: 10,
    };
    let (mut threads, mut rounds) = (None, 3);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Value(name) if name == "floor" && kind.is_none() => floor = true,
            Arg::Value(name) if kind.is_none() => {
                let known = NAMES.iter().find(|(known, _)| name == *known);
                let unknown =
                    || format!("{name:?} is none of produce, consume, latency, idle, fairness, floor, all");
                kind = Some(known.ok_or_else(unknown)?.1);
            }
            Arg::Long("bootstrap-server") => bootstrap = Some(parser.value()?.string()?),
            Arg::Long("topic") => topic = Some(parser.value()?.string()?),
            Arg::Long("runtime") => {
                bench.runtime = match parser.value()?.string()?.as_str() {
                    "tokio" => Runtime::Tokio { threads: 0 },
                    "smol" => Runtime::Smol,
                    "async-std" => Runtime::AsyncStd,
                    "blocking" => Runtime::Blocking,
                    other => {
                        let known = "tokio, smol, async-std, blocking";
                        return Err(format!("--runtime: {other:?} is none of {known}").into());
                    }
                };
            }
            Arg::Long("threads") => threads = Some(parser.value()?.parse()?),
            Arg::Long("records") => records = Some(parser.value()?.parse()?),
            Arg::Long("size") => bench.size = parser.value()?.parse()?,
            Arg::Long("codec") => bench.codec = parser.value()?.parse()?,
            Arg::Long("partitions") => bench.partitions = parser.value()?.parse()?,
            Arg::Long("acks") => bench.acks = parser.value()?.parse()?,
            Arg::Long("linger") => bench.linger = Duration::from_millis(parser.value()?.parse()?),
            Arg::Long("messages") => bench.messages = true,
            Arg::Long("record") => bench.record = true,
            Arg::Long("seconds") => bench.seconds = parser.value()?.parse()?,
            Arg::Long("rounds") => rounds = parser.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let missing = |what: &str| lexopt::Error::from(format!("{what} is missing"));
    let rule = |holds: bool, wrong: &str| if holds { Ok(()) } else { Err(lexopt::Error::from(wrong)) };
    let kind = kind.ok_or_else(|| missing("what to measure (produce, consume or latency, for example)"))?;
    bench.records = records.unwrap_or(match kind {
        None => 2_000_000,
        Some(Kind::Latency) => 10_000,
        _ => 1_000_000,
    });
    rule(bench.records > 0, "--records: must be 1 or more")?;
    let Some(kind) = kind else {
        rule(rounds > 0, "--rounds: must be 1 or more")?;
        rule(!floor && bootstrap.is_none(), "all: starts brokers of its own, and measures the floor, too")?;
        return Ok(Some(Asked::All(Comparison { size: bench.size, records: bench.records, rounds })));
    };
    bench.kind = kind;
    if floor {
        rule(matches!(kind, Kind::Produce | Kind::Consume), "floor: there is one for produce and consume")?;
        rule(bootstrap.is_none() && threads.is_none(), "floor: has no client, brokers or threads")?;
        bench.runtime = Runtime::Floor;
        return Ok(Some(Asked::One(bench)));
    }
    bench.bootstrap = bootstrap.ok_or_else(|| missing("--bootstrap-server"))?;
    Config::new(&bench.bootstrap).map_err(|error| error.to_string())?;
    bench.topic = topic.ok_or_else(|| missing("--topic"))?;
    rule(bench.kind != Kind::Latency || bench.acks == Acks::All, "--acks: latency is measured with all")?;
    rule(bench.linger.is_zero() || bench.kind == Kind::Produce, "--linger: is for produce only")?;
    rule(!bench.messages || bench.kind == Kind::Consume, "--messages: is for consume only")?;
    rule(bench.seconds > 0, "--seconds: must be 1 or more")?;
    match (&mut bench.runtime, threads) {
        (_, None) => {}
        (Runtime::Tokio { threads }, Some(given)) => *threads = given,
        (_, Some(_)) => return Err("--threads: is for tokio only".into()),
    }
    let one_thread = matches!(bench.runtime, Runtime::Tokio { threads: 0 } | Runtime::Smol);
    rule(bench.kind != Kind::Fairness || one_thread, "fairness: is for one thread, of tokio or smol")?;
    Ok(Some(Asked::One(bench)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Result<Option<Asked>, String> {
        options(&mut Parser::from_args(args.split_whitespace())).map_err(|error| error.to_string())
    }

    fn one(args: &str) -> Bench {
        match parsed(args) {
            Ok(Some(Asked::One(bench))) => bench,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn options_are_read() {
        let args = "consume --bootstrap-server h:1 --topic t --threads 2 --runtime tokio --size=7 --codec zstd --messages";
        let bench = one(args);
        assert_eq!((bench.kind, bench.runtime), (Kind::Consume, Runtime::Tokio { threads: 2 }));
        assert_eq!((bench.records, bench.size, bench.codec), (1_000_000, 7, Compression::Zstd));
        assert!(bench.messages);
        let bench = one("latency --bootstrap-server h --topic t --runtime blocking");
        assert_eq!((bench.kind, bench.runtime, bench.records), (Kind::Latency, Runtime::Blocking, 10_000));
        for (name, runtime) in [("smol", Runtime::Smol), ("async-std", Runtime::AsyncStd)] {
            let bench = one(&format!("idle --bootstrap-server h --topic t --runtime {name} --seconds 60"));
            assert_eq!((bench.kind, bench.runtime, bench.seconds), (Kind::Idle, runtime, 60));
        }
        assert_eq!(one("produce --bootstrap-server h --topic t --linger 5").linger.as_millis(), 5);
        assert!(one("produce --bootstrap-server h --topic t --record").record && !bench.record);
        let bench = one("floor consume --size 7 --records 9");
        assert_eq!((bench.kind, bench.runtime), (Kind::Consume, Runtime::Floor));
        assert_eq!((bench.size, bench.records), (7, 9));
        let all = Comparison { size: 100, records: 2_000_000, rounds: 7 };
        assert_eq!(parsed("all --rounds 7").unwrap(), Some(Asked::All(all)));
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
            ("latency --bootstrap-server h --topic t --linger 5", "--linger"),
            ("floor", "what to measure"),
            ("floor latency", "floor"),
            ("floor produce --bootstrap-server h", "floor"),
            ("all --bootstrap-server h", "all"),
            ("all --rounds 0", "--rounds"),
            ("idle --bootstrap-server h --topic t --seconds 0", "--seconds"),
            ("fairness --bootstrap-server h --topic t --threads 2", "fairness"),
            ("fairness --bootstrap-server h --topic t --runtime blocking", "fairness"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(named), "{args:?}: {error}");
        }
    }
}

//! Every runtime and the floor beside each other: each measurement is a process of its own, against a null broker that is
//! another, turn by turn; of each the median round counts.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::{Result, Runtime};

/// What to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Bytes of one value.
    pub size: usize,
    /// Records to write and to read each time.
    pub records: usize,
    /// How often; the median counts.
    pub rounds: usize,
}

/// The one first that the table begins with.
const RUNTIMES: [(Runtime, &[&str]); 6] = [
    (Runtime::Tokio { threads: 0 }, &["--runtime", "tokio"]),
    (Runtime::Tokio { threads: 2 }, &["--runtime", "tokio", "--threads", "2"]),
    (Runtime::Smol, &["--runtime", "smol"]),
    (Runtime::AsyncStd, &["--runtime", "async-std"]),
    (Runtime::Blocking, &["--runtime", "blocking"]),
    (Runtime::Floor, &[]),
];
/// What is measured, its name in the table, and whether there is a floor. Without a linger the size of batches, and with it most of
/// the cost, follows from how the threads happen to run.
const CASES: [(&[&str], &str, bool); 4] = [
    (&["produce", "--linger", "5"], "produce", true),
    (&["produce"], "produce, no linger", false),
    (&["consume"], "consume", true),
    (&["latency"], "latency", false),
];
/// Of so many records one is written alone, to measure its latency, and no more than that.
const LATENCY_SHARE: usize = 100;
const LATENCY_WRITES: usize = 20_000;

/// Measures, tells the lines of the median rounds, and a table of them. Only `milena-conformance` itself can: it starts
/// itself again and again.
///
/// # Errors
/// A measurement that failed.
pub fn compare(comparison: &Comparison) -> Result<String> {
    let mut lines: Vec<Vec<Vec<Line>>> = vec![RUNTIMES.map(|_| Vec::new()).into(); CASES.len()];
    for _ in 0..comparison.rounds {
        for ((kind, _, floor), lines) in CASES.iter().zip(&mut lines) {
            for ((runtime, arguments), lines) in RUNTIMES.iter().zip(lines) {
                if *floor || *runtime != Runtime::Floor {
                    lines.push(Line::measure(comparison, kind, *runtime, arguments)?);
                }
            }
        }
    }
    let mut text = String::new();
    let medians: Vec<Vec<Line>> =
        lines.into_iter().map(|kind| kind.into_iter().filter_map(median).collect()).collect();
    for line in medians.iter().flatten() {
        let _ = writeln!(text, "{}", line.0);
    }
    text.push_str("\n| | runtime | records/s | CPU s per million | to the best | to the floor | switches per request | peak MB | broker's CPU s per million |\n");
    text.push_str("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for ((_, name, _), lines) in CASES.iter().zip(&medians) {
        rows(&mut text, name, comparison.size, lines);
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// By CPU.
fn median(mut lines: Vec<Line>) -> Option<Line> {
    lines.sort_by(|a, b| a.cpu().total_cmp(&b.cpu()));
    let middle = lines.len() / 2;
    (!lines.is_empty()).then(|| lines.swap_remove(middle))
}

fn rows(text: &mut String, name: &str, size: usize, lines: &[Line]) {
    let is_floor = |line: &&Line| line.value("runtime") == "floor";
    let floor = lines.iter().find(is_floor).map(Line::cpu);
    let best = lines.iter().filter(|line| !is_floor(line)).map(Line::cpu).min_by(f64::total_cmp);
    for line in lines {
        let ratio = |to: Option<f64>| to.map_or("-".to_owned(), |to| format!("{:.2}", line.cpu() / to));
        let or_none = |key| if line.value(key).is_empty() { "-" } else { line.value(key) };
        let _ = writeln!(
            text,
            "| {name} {size} B | {} | {} | {:.4} | {} | {} | {} | {} | {} |",
            line.value("runtime"),
            line.value("records_per_s"),
            line.cpu(),
            ratio(best.filter(|_| !is_floor(&line))),
            ratio(floor),
            or_none("switches_per_request"),
            line.value("peak_rss_mb"),
            or_none("broker_cpu_s_per_m"),
        );
    }
}

/// What a measurement told, in pairs of key and value.
#[derive(Clone)]
struct Line(String);

impl Line {
    fn value(&self, key: &str) -> &str {
        let mut pairs = self.0.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    fn number(&self, key: &str) -> f64 {
        self.value(key).parse().unwrap_or(f64::NAN)
    }

    fn cpu(&self) -> f64 {
        self.number("cpu_s_per_m")
    }

    fn measure(comparison: &Comparison, kind: &[&str], runtime: Runtime, arguments: &[&str]) -> Result<Line> {
        let size = comparison.size.to_string();
        let records = match kind[0] {
            "latency" => comparison.records.div_ceil(LATENCY_SHARE).min(LATENCY_WRITES),
            _ => comparison.records,
        };
        let common = ["--size", &size, "--records", &records.to_string()].map(str::to_owned);
        if runtime == Runtime::Floor {
            return Ok(Line(output(
                Command::new(std::env::current_exe()?).args(["bench", "floor", kind[0]]).args(common),
            )?));
        }
        let mut broker = Command::new(std::env::current_exe()?)
            .args(["null-broker", "--topic", "bench:6", "--size", &size])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut told = BufReader::new(broker.stdout.take().ok_or("no pipe")?);
        let mut ready = String::new();
        told.read_line(&mut ready)?;
        let bootstrap = ready.trim().strip_prefix("bootstrap=").unwrap_or_default();
        let line = output(
            Command::new(std::env::current_exe()?)
                .arg("bench")
                .args(kind)
                .args(["--bootstrap-server", bootstrap, "--topic", "bench"])
                .args(arguments)
                .args(common),
        );
        // The end of its input ends it, and it tells what it did.
        drop(broker.stdin.take());
        let mut did = String::new();
        told.read_to_string(&mut did)?;
        broker.wait()?;
        Ok(Line(line?).with(kind[0], &Line(did), records))
    }

    /// With what the broker says of the same time.
    fn with(self, kind: &str, broker: &Line, records: usize) -> Line {
        let requests = broker.number(if kind == "consume" { "fetches" } else { "produces" });
        let per_request = self.number("switches") / requests;
        let cpu = broker.number("cpu_s") * 1e6 / records as f64;
        Line(format!(
            "{} requests={requests} switches_per_request={per_request:.1} broker_cpu_s_per_m={cpu:.4}",
            self.0
        ))
    }
}

/// The one line that a command prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

//! `milena-conformance simulate`: seeds of the simulator.

use std::io::{self, Write as _};
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::cli::Failure;
use crate::sim::{Scenario, Simulation, Violation, scenario, search, shrink};

const HELP: &str = "\
Usage: milena-conformance simulate --seeds A..B [OPTIONS]
       milena-conformance simulate --seed S [OPTIONS]

Real clients and a simulated cluster in one thread, on virtual time: everything that happens follows from a seed. Each
seed is told twice and has to leave the same trace.

  --seeds A..B      the seeds from A to B, without B; ends with the line `seeds N, violations V, divergent D`
  --seed S          one seed

Options:
  --scenario NAME   what may go wrong: calm, leaders, brokers, connections, network, requests, processes or mixed, which is
                    all of it [default: mixed]
  --jobs N          threads [default: one for each core]
  --first           stop at the first seed that fails
  --trace           print what happened, with --seed
  --shrink SECONDS  how long to look for a smaller failure, 0 for not at all [default: 10]
  --help            print this

The exit code is 1 when V + D is not 0, or when some kind of fault of the mixed scenario never had an effect in 1,000
seeds or more.
";

/// From so many seeds on every kind of fault of a scenario has to come up.
const ENOUGH_SEEDS: u64 = 1_000;
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);
/// Failures that are told in full; of the others only the seed is.
const TOLD_IN_FULL: u64 = 3;

/// Runs the command with the rest of the command line.
///
/// # Errors
/// Also when a seed failed.
pub fn run(parser: &mut Parser) -> Result<(), Failure> {
    let usage = |error: lexopt::Error| Failure::Usage(format!("{error}; see simulate --help"));
    match options(parser).map_err(usage)? {
        None => print(HELP),
        Some(options) if options.trace => replay(&options),
        Some(options) => simulate(&options),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::Failed(error.to_string()))
}

fn simulate(options: &Options) -> Result<(), Failure> {
    let start = Instant::now();
    let failures = AtomicU64::new(0);
    let last = Mutex::new(start);
    let failed = |violation: &Violation| {
        let told = match failures.fetch_add(1, Ordering::Relaxed) < TOLD_IN_FULL {
            true => story(violation, options.shrink),
            false => format!("{violation}\n"),
        };
        eprint!("{told}");
        if options.first { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let summary = search(options.scenario, options.seeds.clone(), options.jobs, failed, |summary| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= PROGRESS {
            *last = Instant::now();
            let count = options.seeds.end - options.seeds.start;
            eprintln!("{} of {count} seeds, {} violations", summary.seeds, summary.violations);
        }
    });
    let silent = summary.silent(options.scenario);
    let last = format!(
        "seeds {}, violations {}, divergent {}",
        summary.seeds, summary.violations, summary.divergent
    );
    print(&format!("{}{last}\n", summary.report(start.elapsed())))?;
    if summary.violations + summary.divergent > 0 {
        return Err(Failure::Failed(last));
    }
    if summary.seeds >= ENOUGH_SEEDS && !silent.is_empty() {
        let silent: Vec<_> = silent.iter().map(ToString::to_string).collect();
        return Err(Failure::Failed(format!("these never had an effect: {}", silent.join(", "))));
    }
    Ok(())
}

/// A failure with its smallest form and its trace.
fn story(violation: &Violation, limit: Duration) -> String {
    let Violation { seed, scenario, simulation, trace, why } = violation;
    let mut story = format!("{violation}\n{}\n{}{trace}", simulation.work(), simulation.faults());
    if why.is_some()
        && !limit.is_zero()
        && let Some(shrunk) = shrink(simulation, limit)
    {
        let (small, tries) = (&shrunk.simulation, shrunk.tries);
        story += &format!("the smallest that fails, of {tries}: {}\n{}\n", shrunk.why, small.work());
        story += &format!("{}{}", small.faults(), small.run().trace);
    }
    story + &format!("replay: milena-conformance simulate --seed {seed} --scenario {scenario} --trace\n")
}

/// One seed with all that happens.
fn replay(options: &Options) -> Result<(), Failure> {
    let simulation = Simulation::of(options.scenario, options.seeds.start).trace_entries(usize::MAX);
    let (run, again) = (simulation.run(), simulation.run());
    print(&format!("{}\n{}{}", simulation.work(), simulation.faults(), run.trace))?;
    let divergent = run.trace != again.trace;
    let violations = u64::from(run.result.is_err());
    let told = run.result.map_or_else(|why| format!("{why}"), |tally| format!("{tally:?}"));
    print(&format!("{told}\nseeds 1, violations {violations}, divergent {}\n", u64::from(divergent)))?;
    match violations > 0 || divergent {
        true => Err(Failure::Failed(if divergent { "two runs, two traces".to_owned() } else { told })),
        false => Ok(()),
    }
}

#[derive(Debug)]
struct Options {
    seeds: Range<u64>,
    scenario: Scenario,
    jobs: usize,
    first: bool,
    trace: bool,
    shrink: Duration,
}

/// `None`: help is wanted.
fn options(parser: &mut Parser) -> Result<Option<Options>, lexopt::Error> {
    let (mut seeds, mut one) = (None, false);
    let (mut scenario, mut jobs) = (Scenario::MIXED, None);
    let (mut first, mut trace, mut shrink) = (false, false, Duration::from_secs(10));
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("seeds") => (seeds, one) = (Some(range(&parser.value()?.string()?)?), false),
            Arg::Long("seed") => (seeds, one) = (Some(single(parser.value()?.parse()?)?), true),
            Arg::Long("scenario") => scenario = self::scenario(&parser.value()?.string()?)?,
            Arg::Long("jobs") => jobs = Some(parser.value()?.parse()?),
            Arg::Long("first") => first = true,
            Arg::Long("trace") => trace = true,
            Arg::Long("shrink") => shrink = Duration::from_secs(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let Some(seeds) = seeds else { return Err("--seeds A..B or --seed S is wanted".into()) };
    if trace && !one {
        return Err("--trace: is for one seed, with --seed".into());
    }
    if jobs == Some(0) {
        return Err("--jobs: must be 1 or more".into());
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.unwrap_or_else(cores);
    Ok(Some(Options { seeds, scenario, jobs, first, trace, shrink }))
}

fn single(seed: u64) -> Result<Range<u64>, String> {
    let end = seed.checked_add(1).ok_or("--seed: must be less than the largest number there is")?;
    Ok(seed..end)
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    let range = parsed.ok_or_else(|| format!("--seeds: {text:?} is no range such as 0..1000"))?;
    match range.start < range.end {
        true => Ok(range),
        false => Err(format!("--seeds: {text} holds no seed: the first must be less than the end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Kind;

    /// Brokers that change bits of their answers: readers end, and records are lost.
    const LIES: Scenario = Scenario { name: "lies", kinds: &[Kind::Corrupt] };

    fn parsed(line: &str) -> Result<Options, String> {
        let mut parser = Parser::from_args(line.split_whitespace());
        options(&mut parser).map_err(|error| error.to_string()).map(|options| options.expect("no help"))
    }

    #[test]
    fn options_are_read() {
        let options = parsed("--seeds 5..7 --scenario calm --jobs 3 --shrink 0").unwrap();
        assert_eq!((options.seeds, options.scenario.name, options.jobs), (5..7, "calm", 3));
        assert_eq!((options.first, options.trace, options.shrink), (false, false, Duration::ZERO));
        assert!(parsed("--seeds 5..7 --first").unwrap().first);
        let options = parsed("--seed 9 --trace").unwrap();
        assert_eq!((options.seeds, options.scenario.name, options.trace), (9..10, "mixed", true));
    }

    #[test]
    fn seeds_that_fail_are_counted_and_are_a_failure() {
        let told = |first| {
            let options = Options {
                seeds: 0..20,
                scenario: LIES,
                jobs: 2,
                first,
                trace: false,
                shrink: Duration::ZERO,
            };
            match simulate(&options) {
                Err(Failure::Failed(told)) => told,
                other => panic!("{other:?}"),
            }
        };
        let (all, first) = (told(false), told(true));
        assert!(all.starts_with("seeds 20, violations ") && !all.contains("violations 0"), "{all}");
        assert!(!first.starts_with("seeds 20,") && first.contains("violations"), "{first}");
    }

    #[test]
    fn a_failure_is_told_with_its_smallest_form_and_how_to_see_it_again() {
        let failures = Mutex::new(Vec::new());
        let failed = |violation: &Violation| {
            failures.lock().unwrap().push(violation.clone());
            ControlFlow::Break(())
        };
        search(LIES, 0..20, 1, failed, |_| {});
        let failures = failures.into_inner().unwrap();
        assert_eq!(failures.len(), 1);
        let (seed, story) = (failures[0].seed, story(&failures[0], Duration::from_secs(5)));
        assert!(story.starts_with(&format!("seed {seed} of lies: ")), "{story}");
        assert!(story.contains("\nthe smallest that fails, of "), "{story}");
        let replay = format!("\nreplay: milena-conformance simulate --seed {seed} --scenario lies --trace\n");
        assert!(story.ends_with(&replay), "{story}");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, error) in [
            ("", "--seeds A..B or --seed S"),
            ("--seeds 7..5", "7..5 holds no seed"),
            ("--seeds 5..5", "5..5 holds no seed"),
            ("--seeds 5", "\"5\" is no range such as 0..1000"),
            ("--seed 18446744073709551615", "less than the largest"),
            ("--seed 1 --scenario storm", "\"storm\" is none of calm, leaders, brokers"),
            ("--seed 1 --jobs 0", "--jobs: must be 1 or more"),
            ("--seeds 1..3 --trace", "--trace: is for one seed"),
            ("--seed 1 --colour", "--colour"),
        ] {
            let refused = parsed(line);
            assert!(refused.as_ref().is_err_and(|text| text.contains(error)), "{line}: {refused:?}");
        }
    }
}

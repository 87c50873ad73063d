//! Many seeds, each told twice: the search that a test makes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Options, Run, Stuck, Trace, World, run};

/// What a user's code says at its end: nothing, or whether it is content.
pub trait Verdict {
    /// The complaint, if there is one.
    ///
    /// # Errors
    /// The complaint.
    fn verdict(self) -> Result<(), String>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: fmt::Display> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// The first seed that did not go well.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What went wrong.
    pub why: Stuck,
    /// What had happened until then.
    pub trace: Trace,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.why)?;
        write!(f, "{}", self.trace)
    }
}

/// Tells every seed twice, each in a world of its own, and panics at the first that fails: that panics, returns an
/// error, gets stuck, or does not do the same thing both times.
///
/// The environment has the last word: `MILENA_SEEDS=20000` (or `MILENA_SEEDS=1000..2000`) tells that many seeds instead,
/// `MILENA_SEED=17` only that one, with its whole trace.
///
/// # Panics
/// With the seed, what went wrong, the trace, and how to replay it; or if a variable's value makes no sense.
pub fn check<V: Verdict>(
    seeds: Range<u64>,
    options: impl Fn(u64) -> Options,
    main: impl AsyncFn(World) -> V + Send + Sync + 'static,
) {
    let replay = number("MILENA_SEED").is_some();
    let all = |seed| Options { trace_entries: usize::MAX, ..options(seed) };
    let failure = match replay {
        true => find(self::seeds(seeds), all, main),
        false => find(self::seeds(seeds), options, main),
    };
    let Some(failure) = failure else { return };
    // The test harness names a test's thread after it.
    let test = std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    let command = test.map_or("run it again".to_owned(), |test| format!("cargo test {test}"));
    panic!("{failure}replay: MILENA_SEED={} {command}", failure.seed);
}

/// The first seed of these that fails, if one does; see [`check`]. The environment is not asked: see [`seeds`].
pub fn find<V: Verdict>(
    seeds: Range<u64>,
    options: impl Fn(u64) -> Options,
    main: impl AsyncFn(World) -> V + Send + Sync + 'static,
) -> Option<Failure> {
    let main = Arc::new(main);
    let tell = |seed| {
        let main = main.clone();
        run(seed, options(seed), async move |world| main(world).await.verdict())
    };
    seeds.into_iter().find_map(|seed| {
        let Run { result, trace, .. } = tell(seed);
        if let Err(why) = result.and_then(|verdict| verdict.map_err(Stuck::Failed)) {
            return Some(Failure { seed, why, trace });
        }
        let again = tell(seed).trace;
        (trace != again).then(|| Failure { seed, why: Stuck::Failed(divergence(&again)), trace })
    })
}

/// The seeds that the environment asks for, or else these.
///
/// # Panics
/// If `MILENA_SEED` or `MILENA_SEEDS` is set to what makes no sense.
pub fn seeds(otherwise: Range<u64>) -> Range<u64> {
    if let Some(seed) = number("MILENA_SEED") {
        return seed..seed.checked_add(1).expect("MILENA_SEED is less than the largest number there is");
    }
    let Some(text) = variable("MILENA_SEEDS") else { return otherwise };
    let range = match text.split_once("..") {
        Some((first, end)) => first.parse().ok().zip(end.parse().ok()).map(|(first, end)| first..end),
        None => text.parse().ok().map(|count| 0..count),
    };
    match range {
        Some(range) if !range.is_empty() => range,
        _ => {
            panic!("MILENA_SEEDS={text}: a number of seeds, or a range of them such as 1000..2000, is wanted")
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    let text = variable(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a seed is a number from 0 to 2^64 - 1")))
}

fn divergence(again: &Trace) -> String {
    format!(
        "two runs of the seed differ: something is decided by what is not in the world, such as the real time, \
         another thread, the order of a HashMap, or a static.\nThe second run: {again}The first run:"
    )
}

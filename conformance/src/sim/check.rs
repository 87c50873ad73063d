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
/// With the seed, what went wrong, the trace, and how to replay it; or if there are no seeds, or a variable's value makes no
/// sense.
#[track_caller]
pub fn check<V: Verdict>(
    seeds: Range<u64>,
    options: impl Fn(u64) -> Options,
    main: impl AsyncFn(World) -> V + Send + Sync + 'static,
) {
    let whole = |seed| Options { trace_entries: usize::MAX, ..options(seed) };
    let failure = match variable(SEED) {
        Some(_) => find(self::seeds(seeds), whole, main),
        None => find(self::seeds(seeds), options, main),
    };
    let Some(failure) = failure else { return };
    // The test harness names a test's thread after it.
    let test = std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    let command = test.map_or("run it again".to_owned(), |test| format!("cargo test {test}"));
    panic!("{failure}replay: {SEED}={} {command}", failure.seed);
}

/// The first seed of these that fails, if one does; see [`check`]. The environment is not asked: see [`seeds`].
///
/// # Panics
/// If there are no seeds.
#[track_caller]
pub fn find<V: Verdict>(
    seeds: Range<u64>,
    options: impl Fn(u64) -> Options,
    main: impl AsyncFn(World) -> V + Send + Sync + 'static,
) -> Option<Failure> {
    assert!(!seeds.is_empty(), "{seeds:?} are no seeds: nothing would be proven");
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
    let asked = parse(variable(SEED).as_deref(), variable(SEEDS).as_deref());
    asked.unwrap_or_else(|complaint| panic!("{complaint}")).unwrap_or(otherwise)
}

const SEED: &str = "MILENA_SEED";
const SEEDS: &str = "MILENA_SEEDS";

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn parse(seed: Option<&str>, seeds: Option<&str>) -> Result<Option<Range<u64>>, String> {
    if let Some(text) = seed {
        let range = text.parse().ok().and_then(|seed: u64| Some(seed..seed.checked_add(1)?));
        let complaint = || format!("{SEED}={text}: a seed is a number less than 2^64 - 1");
        return range.map(Some).ok_or_else(complaint);
    }
    let Some(text) = seeds else { return Ok(None) };
    let range = match text.split_once("..") {
        Some((first, end)) => first.parse().ok().zip(end.parse().ok()).map(|(first, end)| first..end),
        None => text.parse().ok().map(|count| 0..count),
    };
    let complaint =
        || format!("{SEEDS}={text}: a number of seeds or a range of them is wanted, as in 1000..2000");
    range.filter(|range| !range.is_empty()).map(Some).ok_or_else(complaint)
}

fn divergence(again: &Trace) -> String {
    format!(
        "two runs of the seed differ: something is decided by what is not in the world, such as the real time, \
         another thread, the order of a HashMap, or a static.\nThe second run: {again}The first run:"
    )
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn one_seed_goes_before_many_and_those_before_the_tests_own() {
        assert_eq!(parse(Some("17"), Some("5")), Ok(Some(17..18)));
        assert_eq!(parse(None, Some("5")), Ok(Some(0..5)));
        assert_eq!(parse(None, Some("10..12")), Ok(Some(10..12)));
        assert_eq!(parse(None, None), Ok(None));
    }

    #[test]
    fn what_is_no_seed_is_said() {
        for seed in ["", "-1", "x", "17 ", "18446744073709551615"] {
            let complaint = parse(Some(seed), None).unwrap_err();
            assert_eq!(complaint, format!("MILENA_SEED={seed}: a seed is a number less than 2^64 - 1"));
        }
        for seeds in ["", "0", "5..5", "9..3", "..3", "3..", "many"] {
            let complaint = parse(None, Some(seeds)).unwrap_err();
            assert!(
                complaint.starts_with(&format!("MILENA_SEEDS={seeds}: a number of seeds")),
                "{complaint}"
            );
        }
    }
}

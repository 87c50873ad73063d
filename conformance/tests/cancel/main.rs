//! Cancel safety: each public future is dropped at every point that the simulator can reach.
//!
//! Rules:
//! - A future is dropped unpolled, behind its first poll, and behind each further turn of any task until it is ready
//!   before: each time in a world of its own, with the same seed.
//! - So it is in a client that has just been made and in one that has its connections, with nothing in the way and with
//!   each [`Trouble`].
//! - Behind it the client still works; what was acknowledged, or accepted, is in the log once and in order, what was not
//!   accepted is not; nothing is left of the future in the client, and nothing of the client in the world.

mod calling;
mod reading;
mod stage;
mod wakers;
mod writing;

use std::pin::Pin;

use milena_conformance::sim;
use milena_core::Writer;
use milena_core::protocol::ApiKey;
use stage::{Point, Stage, Trouble, options};

const TROUBLES: [Trouble; 4] = [Trouble::None, Trouble::Hangup, Trouble::Silence, Trouble::Moved];
/// Turns that no future here takes.
const MANY: u64 = 2_000;

/// A future, and what must hold of it wherever it was dropped: whether it was ready before, and the writer that is to go on.
type Play = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = (bool, Option<Writer>)> + 'a>>;

struct Case {
    name: &'static str,
    /// What it asks of brokers.
    key: ApiKey,
    play: Play,
    /// Nothing is in its way.
    calm: bool,
}

impl Case {
    /// It waits where another one waits too, which meets every trouble.
    fn calm(self) -> Case {
        Case { calm: true, ..self }
    }
}

fn case(name: &'static str, key: ApiKey, play: Play) -> Case {
    Case { name, key, play, calm: false }
}

/// Drops each future everywhere.
fn sweep(kind: &str, cases: &[Case]) {
    let mut points = 0;
    for case in cases {
        let before = points;
        for warm in [false, true] {
            for trouble in TROUBLES.into_iter().filter(|trouble| meets(case, *trouble)) {
                let all = [Point::Unpolled].into_iter().chain((0..MANY).map(Point::After));
                let ready_at = all.into_iter().position(|point| is_ready(case, warm, trouble, point));
                points += ready_at.expect("it is ready some time");
            }
        }
        println!("{}: dropped {} times", case.name, points - before);
    }
    println!("{kind}: {} futures dropped at {points} points", cases.len());
}

fn meets(case: &Case, trouble: Trouble) -> bool {
    use ApiKey as Key;
    let goes_to_leaders =
        matches!(case.key, Key::PRODUCE | Key::FETCH | Key::LIST_OFFSETS | Key::DESCRIBE_GROUPS);
    match trouble {
        Trouble::None => true,
        Trouble::Moved => goes_to_leaders && !case.calm,
        Trouble::Hangup | Trouble::Silence => !case.calm,
    }
}

/// Whether the future was ready before it was to be dropped.
fn is_ready(case: &Case, warm: bool, trouble: Trouble, point: Point) -> bool {
    let (key, play) = (case.key, case.play);
    let run = sim::run(1, options(), async move |world| {
        let stage = Stage::new(world, warm, trouble, key, point).await;
        let (ready, writer) = play(&stage).await;
        stage.finish(writer).await;
        ready
    });
    run.result.unwrap_or_else(|stuck| {
        panic!("{}, warm: {warm}, {trouble:?}, {point:?}: {stuck}\n{}", case.name, run.trace)
    })
}

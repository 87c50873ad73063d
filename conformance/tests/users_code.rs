//! Users' own code in the simulator: what it is given, and what it is told when it blocks, panics or gets nowhere.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

use milena_conformance::cluster::Cluster;
use milena_conformance::sim::{self, Alive, Fault, FaultPlan, Kind, Options, Route, Stuck, World};
use milena_core::protocol::BrokerId;
use milena_core::{ReaderConfig, Record, Until, WriteError, Writer, WriterConfig, Written};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn options() -> Options {
    Options { latency: (MS, 2 * MS), faults: FaultPlan::default(), ..draw(1) }
}

fn draw(seed: u64) -> Options {
    Options::draw(seed, "orders", 3)
}

/// How the name of the task begins that is spawned on the marked line of this file.
fn task(number: u64, mark: &str) -> String {
    let mark = format!("// {mark}");
    let line = include_str!("users_code.rs").lines().position(|line| line.ends_with(&mark));
    format!("task {number} ({}:{}:", file!(), line.expect("a marked line") + 1)
}

fn tasks(alive: &[Alive]) -> Vec<&str> {
    alive.iter().map(|alive| alive.task.as_str()).collect()
}

#[test]
fn a_deadlock_tells_who_waits_for_what() {
    let run = sim::run(1, options(), async |world| {
        world.sleep(MS).await;
        let never = world.spawn(pending::<()>()); // never
        let waiter = world.spawn(never); // waiter
        world.sleep(MS).await;
        // Somebody could wake this one.
        let held = Arc::new(Mutex::new(None));
        let holder = held.clone();
        world.spawn(poll_fn(move |cx| -> Poll<()> {
            *holder.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }));
        waiter.await;
        drop(held);
    });
    let Err(Stuck::Deadlock(alive)) = &run.result else { panic!("{:?}", run.result) };
    let (never, waiter) = (task(1, "never"), task(2, "waiter"));
    assert_eq!(alive.len(), 4, "{alive:?}");
    assert_eq!(alive[0].task, "main");
    assert!(alive[0].waits_for[0].starts_with(&format!("the result of {waiter}")), "{alive:?}");
    assert_eq!(alive[0].since, 2 * MS);
    assert!(alive[1].task.starts_with(&never), "{alive:?}");
    assert_eq!(alive[1].waits_for, ["nothing that could wake it"]);
    assert!(alive[3].waits_for.is_empty(), "nobody knows what it waits for: {alive:?}");
    assert!(alive[2].task.starts_with(&waiter), "{alive:?}");
    assert!(alive[2].waits_for[0].starts_with(&format!("the result of {never}")), "{alive:?}");
    assert_eq!(alive[2].since, MS);
    let report = run.result.unwrap_err().to_string();
    assert!(
        report.starts_with("deadlock: nothing is left that could happen, and main is not done\n"),
        "{report}"
    );
    assert!(report.contains("\n  main: since 0.002000 s waits for the result of task 2 ("), "{report}");
    assert!(report.contains("): since 0.001000 s waits for nothing that could wake it; 1 turns"), "{report}");
    assert!(report.contains("): since 0.002000 s waits for a client or another task; 1 turns"), "{report}");
}

/// A client refreshes its metadata for ever, so that something always happens: the limit of virtual time ends it.
#[test]
fn with_a_client_alive_the_time_limit_tells_who_waits_for_what() {
    let run = sim::run(1, options(), async |world| {
        let client = world.client(world.config(), 0).unwrap();
        let mut reader = client.reader(ReaderConfig::new("orders")).unwrap();
        // Nobody writes.
        reader.next().await.unwrap().unwrap();
    });
    let Err(Stuck::TimeLimit(alive)) = run.result else { panic!("{:?}", run.result) };
    assert!(tasks(&alive).starts_with(&["main", "client 1, clock"]), "{alive:?}");
    assert!(alive[0].since < S, "{alive:?}");
    let fetching =
        |alive: &&Alive| alive.task == "client 1, connection to broker 2" && alive.waits_for.len() == 1;
    let mut fetching = alive.iter().filter(fetching);
    assert!(
        fetching.any(|alive| alive.waits_for[0] == "data from broker 2, asked for Fetch (1)"),
        "{alive:?}"
    );
    assert!(alive[1].waits_for[0].starts_with("the time 36"), "{alive:?}");
}

#[test]
fn a_wait_for_a_result_or_for_a_time_is_told_as_both() {
    let run = sim::run(1, Options { time_limit: S, ..options() }, async |world| {
        let never = world.spawn(pending::<()>());
        world.timeout(5 * S, never).await
    });
    let Err(Stuck::TimeLimit(alive)) = run.result else { panic!("{:?}", run.result) };
    assert!(alive[0].waits_for[0].starts_with("the result of task 1 ("), "{alive:?}");
    assert_eq!(alive[0].waits_for[1], "the time 5.000000 s");
}

#[test]
fn tasks_of_a_process_are_told_as_such() {
    let run = sim::run(1, options(), async |world| world.process().run(pending::<()>()).await);
    let Err(Stuck::Deadlock(alive)) = run.result else { panic!("{:?}", run.result) };
    assert!(alive[0].waits_for[0].starts_with("the result of task 1 ("), "{alive:?}");
    assert!(alive[1].task.ends_with(") in process 1"), "{alive:?}");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let faults = FaultPlan::default().at(S, Fault::Reset { route: Route::all().to(BrokerId(7)) });
    let run = sim::run(1, Options { faults, ..options() }, async |_| {});
    let refused = "the fault plan makes no sense: there is no broker 7: the cluster has those from 1 to 3";
    assert_eq!(run.result, Err(Stuck::Failed(refused.to_owned())));
}

#[test]
fn a_task_that_blocks_the_thread_is_told_not_waited_for() {
    let start = Instant::now();
    let options = Options { blocked_after: 100 * MS, ..options() };
    let run = sim::run(1, options, async |world| {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.clone().lock_for_ever();
        world.spawn(async move { drop(lock.lock()) }).await; // locks
        drop(held);
    });
    let Err(Stuck::Blocked { task: name, after }) = run.result else { panic!("{:?}", run.result) };
    assert!(name.starts_with(&task(1, "locks")), "{name}");
    assert_eq!(after, 100 * MS);
    assert!(start.elapsed() < 10 * S, "it takes two times 100 ms");
}

/// A lock that another thread has and never gives back.
trait LockForEver {
    fn lock_for_ever(self) -> mpsc::Sender<()>;
}

impl LockForEver for Arc<Mutex<()>> {
    fn lock_for_ever(self) -> mpsc::Sender<()> {
        let (sender, receiver) = mpsc::channel::<()>();
        let (locked, is_locked) = mpsc::channel();
        std::thread::spawn(move || {
            let _guard = self.lock();
            locked.send(()).unwrap();
            receiver.recv()
        });
        is_locked.recv().unwrap();
        sender
    }
}

#[test]
fn a_busy_loop_is_told_even_within_the_simulators_own_lock() {
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    let options = Options { blocked_after: 100 * MS, ..options() };
    let run = sim::run(1, options, async |world| {
        world.cluster(|_| {
            while !ENOUGH.load(Ordering::Relaxed) {
                std::hint::spin_loop()
            }
        });
    });
    ENOUGH.store(true, Ordering::Relaxed);
    let Err(Stuck::Blocked { task, .. }) = run.result else { panic!("{:?}", run.result) };
    assert_eq!(task, "main");
}

#[test]
fn a_slow_run_is_not_a_blocked_one() {
    let options = Options { blocked_after: 60 * MS, ..options() };
    let run = sim::run(1, options, async |world| {
        for _ in 0..20 {
            std::thread::sleep(10 * MS);
            world.sleep(MS).await;
        }
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.elapsed, 20 * MS);
}

#[test]
fn a_panic_names_its_task() {
    let run = sim::run(1, options(), async |world| {
        world.spawn(async { panic!("no stock") }).await; // panics
    });
    let Err(Stuck::Panic { task: name, message }) = &run.result else { panic!("{:?}", run.result) };
    assert!(name.starts_with(&task(1, "panics")), "{name}");
    assert_eq!(message, "no stock");
    let report = run.result.unwrap_err().to_string();
    assert!(report.ends_with(") panicked: no stock"), "{report}");
}

/// What is dropped after a panic often panics too; a second one must not end the process.
#[test]
fn panics_in_drops_after_a_panic_are_passed_over() {
    struct Sore;
    impl Drop for Sore {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    let run = sim::run(1, options(), async |world| {
        for _ in 0..3 {
            let sore = Sore;
            world.spawn(async move {
                let _sore = sore;
                pending::<()>().await
            });
        }
        world.sleep(MS).await;
        panic!("first");
    });
    assert_eq!(
        run.result,
        Err::<(), _>(Stuck::Panic { task: "main".to_owned(), message: "first".to_owned() })
    );
}

#[test]
fn code_that_needs_another_runtime_panics_and_is_named() {
    let run = sim::run(1, options(), async |_| tokio::time::sleep(MS).await);
    let Err(Stuck::Panic { task, message }) = run.result else { panic!("{:?}", run.result) };
    assert_eq!(task, "main");
    assert!(message.contains("no reactor running"), "{message}");
}

#[test]
fn tasks_and_clients_that_outlive_main_are_listed() {
    let run = sim::run(1, options(), async |world| {
        let client = world.client(world.config(), 0).unwrap();
        std::mem::forget(client);
        let ticks = world.clone();
        let ticking = async move {
            loop {
                ticks.sleep(60 * S).await;
            }
        };
        world.spawn(ticking); // ticks
    });
    let Err(Stuck::LeftOver(alive)) = run.result else { panic!("{:?}", run.result) };
    assert_eq!(alive[0].task, "client 1, clock");
    assert!(alive.iter().any(|alive| alive.task.starts_with(&task(2, "ticks"))), "{alive:?}");
    assert!(!tasks(&alive).contains(&"main"), "{alive:?}");
}

#[test]
fn tasks_that_wake_one_another_for_ever_are_counted() {
    let run = sim::run(1, Options { turn_limit: 10_000, ..options() }, async |world| {
        world.spawn(std::future::poll_fn::<(), _>(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        pending::<()>().await;
    });
    let Err(Stuck::TurnLimit(alive)) = run.result else { panic!("{:?}", run.result) };
    assert_eq!((alive[0].turns, alive[1].turns), (1, 9_999));
}

#[test]
fn an_aborted_task_is_dropped_before_anyone_else_has_a_turn() {
    struct Told(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped");
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    let run = sim::run(1, options(), async move |world| {
        let told = Told(log.clone());
        let process = world.clone();
        let task = world.spawn(async move {
            let _told = told;
            process.sleep(S).await;
            process.note("never");
        });
        world.sleep(MS).await;
        let second = log.clone();
        let next = world.spawn(async move { second.lock().unwrap().push("next") });
        task.abort();
        next.await;
    });
    assert_eq!(run.result, Ok(()));
    assert_eq!(run.elapsed, MS, "nothing was left to wait for");
    assert_eq!(*seen.lock().unwrap(), ["dropped", "next"]);
    assert!(!run.trace.to_string().contains("never"));
}

#[test]
fn a_future_is_dropped_behind_the_very_turn_that_was_named() {
    struct Told(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.lock().unwrap().push("dropped");
        }
    }
    let story = |turns| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        let run = sim::run(1, options(), async move |world| {
            let told = Told(log.clone());
            let mut left = 4;
            world.spawn(poll_fn(move |cx| {
                left -= 1;
                log.lock().unwrap().push("turn");
                cx.waker().wake_by_ref();
                if left == 0 { Poll::Ready(()) } else { Poll::Pending }
            }));
            let never = async move {
                let _told = told;
                pending::<()>().await
            };
            world.cut_after(turns, never).await
        });
        assert_eq!(run.result, Ok(None));
        let story = seen.lock().unwrap().clone();
        (story.iter().position(|what| *what == "dropped").unwrap(), story.len())
    };
    assert_eq!([0, 1, 2, 3, 4].map(story), [0, 1, 2, 3, 4].map(|turns| (turns, 5)));
    let ready = sim::run(1, options(), async |world| {
        let slept = world.cut_after(1, world.sleep(S)).await;
        (slept, world.now())
    });
    assert_eq!(ready.result, Ok((Some(()), S)), "its own second turn came first, though later");
}

/// One record, read back.
async fn there_and_back(world: World) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = world.client(world.config(), 0)?;
    let writer = client.writer(WriterConfig::new("orders"))?;
    writer.write(Record::keyed("k", "v")).await?;
    let mut config = ReaderConfig::new("orders");
    config.until = Until::End;
    let mut reader = client.reader(config)?;
    let message = reader.next().await.ok_or("the record is there")??;
    if message.value.as_deref() != Some(b"v") {
        return Err(format!("another record came: {message:?}").into());
    }
    Ok(())
}

#[test]
fn sound_code_passes_every_seed() {
    sim::check(0..50, draw, there_and_back);
}

/// Twenty records over twenty seconds, each acknowledged; what is read when all is over.
async fn twenty(world: World) -> Result<Vec<String>, Box<dyn Error>> {
    let client = world.client(world.config(), 0)?;
    let writer = client.writer(WriterConfig::new("orders"))?;
    for number in 0..20 {
        writer.write(Record::keyed("alice", &number.to_string())).await?;
        world.sleep(S).await;
    }
    world.heal();
    let mut config = ReaderConfig::new("orders");
    config.until = Until::End;
    let mut reader = client.reader(config)?;
    let mut read = Vec::new();
    while let Some(message) = reader.next().await {
        read.push(String::from_utf8(message?.value.unwrap_or_default().into())?);
    }
    Ok(read)
}

#[test]
fn drawn_trouble_strikes_and_costs_no_acknowledged_record() {
    let mut fired = BTreeSet::new();
    let written: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    for seed in 0..500 {
        let run =
            sim::run(seed, draw(seed), async |world| twenty(world).await.map_err(|error| error.to_string()));
        assert_eq!(run.result, Ok(Ok(written.clone())), "seed {seed}\n{}", run.trace);
        fired.extend(run.trace.fired().keys().copied());
    }
    let drawn = [
        Kind::Stall,
        Kind::Partition,
        Kind::LostRequests,
        Kind::LostAnswers,
        Kind::Refuse,
        Kind::BlackHole,
        Kind::DeafClient,
        Kind::DeafBroker,
        Kind::Reset,
        Kind::Stop,
        Kind::SlowDisk,
        Kind::StallFollower,
        Kind::MoveLeader,
        Kind::DelayAnswer,
        Kind::Throttle,
        Kind::CloseBefore,
        Kind::CloseAfter,
    ];
    assert_eq!(fired, BTreeSet::from(drawn));
}

#[test]
fn the_first_seed_that_fails_is_told() {
    let fails_at = |seeds: Range<u64>| {
        sim::find(seeds, draw, async |world| match world.draw() % 7 {
            3 => Err("three"),
            _ => Ok(()),
        })
    };
    let failure = fails_at(0..1_000).expect("one in seven fails");
    assert_eq!(failure.why, Stuck::Failed("three".to_owned()));
    assert!(fails_at(0..failure.seed).is_none());
    assert_eq!(fails_at(failure.seed..failure.seed + 1).unwrap().seed, failure.seed);
    assert!(failure.to_string().starts_with(&format!("seed {}: three\n", failure.seed)));
}

#[test]
#[should_panic(expected = "5..5 are no seeds")]
fn no_seeds_are_no_proof() {
    sim::check(5..5, draw, async |_| {});
}

#[test]
fn what_does_not_come_from_the_seed_is_found() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let failure = sim::find(5..6, draw, async |world| {
        world.note(format!("run {}", RUNS.fetch_add(1, Ordering::Relaxed)));
    });
    let failure = failure.expect("the runs differ");
    let Stuck::Failed(why) = failure.why else { panic!("{:?}", failure.why) };
    assert!(why.starts_with("two runs of the seed differ: "), "{why}");
    assert!(why.contains("-- run 1"), "{why}");
    assert!(failure.trace.to_string().contains("-- run 0"), "{}", failure.trace);
}

#[test]
#[ignore = "fails on purpose, for the test below"]
fn planted() {
    sim::check(0..20, draw, async |world| {
        world.note("it began");
        assert!(world.draw() % 7 != 3, "planted");
    });
}

#[test]
fn a_failure_says_how_to_replay_it_and_the_environment_does() {
    let planted = |seed: Option<&str>| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "planted", "--ignored"]).env_remove("MILENA_SEED").env_remove("MILENA_SEEDS");
        let output = test.envs(seed.map(|seed| ("MILENA_SEED", seed))).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let failed = planted(None);
    let (_, replay) = failed.split_once("replay: MILENA_SEED=").unwrap_or_else(|| panic!("{failed}"));
    let (seed, command) = replay.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(command, "cargo test planted");
    let again = planted(Some(seed));
    assert!(again.contains(&format!("seed {seed}: main panicked: planted")), "{again}");
    assert!(again.contains("-- it began"), "{again}");
    let before = seed.parse::<u64>().unwrap().checked_sub(1).expect("a seed that passes before it");
    assert!(planted(Some(&before.to_string())).contains("test result: ok"), "only that seed is told");
    let wrong = planted(Some("x"));
    assert!(wrong.contains("MILENA_SEED=x: a seed is a number less than 2^64 - 1"), "{wrong}");
}

/// A user's code that waits, and knows no runtime: the way to sleep comes in.
async fn insist(writer: &Writer, value: &str, sleep: impl AsyncFn(Duration)) -> Result<Written, WriteError> {
    let mut pause = 10 * MS;
    loop {
        match writer.write(Record::new(value)).await {
            Err(error) if error.fate != milena_core::Fate::Unknown && pause < S => sleep(pause).await,
            result => return result,
        }
        pause *= 2;
    }
}

#[test]
fn the_same_code_runs_in_the_simulator_and_on_tokio() {
    let run = sim::run(1, options(), async |world| {
        let client = world.client(world.config(), 0).unwrap();
        let writer = client.writer(WriterConfig::new("orders")).unwrap();
        insist(&writer, "v", async |pause| world.sleep(pause).await).await.unwrap().offset
    });
    assert_eq!(run.result, Ok(Some(0)));
    let cluster = Cluster::builder().topic("orders", 3).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let written = runtime.block_on(async {
        let client = milena_tokio::connect(milena_core::Config::new(&cluster.bootstrap()).unwrap()).await?;
        let writer = client.writer(WriterConfig::new("orders"))?;
        insist(&writer, "v", tokio::time::sleep).await.map_err(|error| error.cause)
    });
    assert_eq!(written.unwrap().offset, Some(0));
}

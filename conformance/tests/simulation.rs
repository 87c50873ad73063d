//! Real clients in the simulator: every seed tells a scenario twice, and both times alike.
//!
//! `MILENA_SEEDS=20000` widens the search; `milena-conformance simulate` searches faster, shrinks and replays.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use milena_conformance::cluster::{ClusterOptions, Fault as RequestFault, Requests};
use milena_conformance::sim::{
    self, End, Fault, FaultPlan, Kind, Options, Route, Scenario, Simulation, Stuck, Violation, Way, World,
    scenario, scenarios, search, shrink,
};
use milena_core::protocol::{ApiKey, BrokerId, ErrorCode};
use milena_core::{Error, Fate, Reader, ReaderConfig, Record, WriterConfig};

/// How many seeds a usual run tells of each scenario.
const SEEDS: u64 = 100;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The seeds of a scenario that do not keep the promises.
fn broken(scenario: Scenario, seeds: std::ops::Range<u64>) -> Vec<String> {
    let broken = Mutex::new(Vec::new());
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = |violation: &Violation| {
        broken.lock().unwrap().push(violation.to_string());
        ControlFlow::Continue(())
    };
    search(scenario, seeds, jobs, failed, |_| {});
    broken.into_inner().unwrap()
}

#[test]
fn every_seed_keeps_the_promises() {
    let seeds = std::env::var("MILENA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for scenario in scenarios() {
        assert_eq!(broken(*scenario, 0..seeds), Vec::<String>::new());
    }
}

#[test]
fn a_scenario_that_does_not_exist_is_told_with_those_that_do() {
    let error = scenario("storm").unwrap_err();
    assert_eq!(
        error,
        "\"storm\" is none of calm, leaders, brokers, connections, network, requests, processes, mixed"
    );
}

fn options(faults: FaultPlan) -> Options {
    let topics = vec![("events".to_owned(), 1)];
    Options {
        cluster: ClusterOptions { nodes: 1, topics, ..Default::default() },
        faults,
        ..Default::default()
    }
}

/// Writes a record; when it was acknowledged.
async fn write_one(world: &World) -> Duration {
    let client = world.client(world.config(), 0).unwrap();
    let writer = client.writer(WriterConfig::new("events")).unwrap();
    writer.write(Record::new("v")).await.unwrap();
    client.close();
    world.now()
}

/// Carries out a plan while a record is written at the start; when that was done.
fn written_at(faults: FaultPlan) -> Duration {
    sim::run(1, options(faults), async |world| write_one(&world).await).result.unwrap()
}

#[test]
fn a_partition_holds_up_what_is_sent_until_it_is_over() {
    let route = Route::all();
    assert!(written_at(FaultPlan::default()) < s(1));
    for way in [Way::Both, Way::Requests, Way::Answers] {
        let plan = FaultPlan::default().between(s(0)..s(5), Fault::Partition { route, way });
        let done = written_at(plan);
        assert!(done >= s(5) && done < s(12), "{way:?}: {done:?}");
    }
    let black_hole = FaultPlan::default().between(s(0)..s(5), Fault::BlackHole { route });
    assert!(written_at(black_hole) >= s(5));
    let refuse = FaultPlan::default().between(s(0)..s(5), Fault::Refuse { route });
    assert!(written_at(refuse) >= s(5));
    let elsewhere = Route::all().to(BrokerId(1)).from(sim::ProcessId(7));
    let plan =
        FaultPlan::default().between(s(0)..s(5), Fault::Partition { route: elsewhere, way: Way::Both });
    assert!(written_at(plan) < s(1));
}

#[test]
fn latency_and_bandwidth_take_their_time() {
    let (route, way) = (Route::all(), Way::Requests);
    let latency = Fault::Latency { route, way, shortest: s(1), longest: s(1) };
    // A connect and five requests at least: ApiVersions, Metadata, and both again, InitProducerId, Produce.
    assert!(written_at(FaultPlan::default().at(s(0), latency)) >= s(5));
    let slow = Fault::Bandwidth { route, way, bytes_per_second: 100 };
    assert!(written_at(FaultPlan::default().at(s(0), slow)) >= s(2));
}

#[test]
fn a_process_that_is_paused_does_nothing_until_it_goes_on() {
    let run = sim::run(1, options(FaultPlan::default()), async |world| {
        let process = world.process();
        let working = process.clone();
        let task = world.spawn(async move {
            let inside = working.clone();
            working.run(async move { write_one(&inside).await }).await
        });
        world.sleep(Duration::from_micros(100)).await;
        world.fault_for(s(3), Fault::Pause { process: process.id() }).unwrap();
        task.await
    });
    let done = run.result.unwrap().expect("it was not killed");
    assert!(done >= s(3) && done < s(4), "{done:?}");
    assert_eq!(run.trace.fired().get(&Kind::Pause), Some(&1));
}

#[test]
fn a_process_that_is_killed_is_gone_with_its_clients() {
    let run = sim::run(1, options(FaultPlan::default()), async |world| {
        let process = world.process();
        let inside = process.clone();
        let running = process.run(async move {
            let client = inside.client(inside.config(), 0).unwrap();
            let mut reader: Reader = client.reader(ReaderConfig::new("events")).unwrap();
            reader.next().await.is_some()
        });
        let running = world.spawn(running);
        world.sleep(s(2)).await;
        let before = world.connections(Route::all().from(process.id())).0;
        world.fault(Fault::Kill { process: process.id(), machine: true }).unwrap();
        let ended = running.await;
        // It can be started again.
        let again = process.run(async { 7 }).await;
        (before > 0, ended, world.connections(Route::all()).0, again)
    });
    assert_eq!(run.result, Ok((true, None, 0, Some(7))));
}

#[test]
fn a_fast_clock_times_out_early() {
    let waited = |ppm| {
        let never = Fault::Requests {
            requests: Requests::of(ApiKey::PRODUCE).always(),
            fault: RequestFault::NeverAnswer,
        };
        let run = sim::run(1, options(FaultPlan::default().at(s(0), never)), async move |world: World| {
            let process = world.process();
            world.fault(Fault::Drift { process: process.id(), ppm }).unwrap();
            let client = process.client(process.config(), 0).unwrap();
            let mut config = WriterConfig::new("events");
            config.delivery_timeout = s(20);
            let writer = client.writer(config).unwrap();
            let failed = writer.write(Record::new("v")).await.is_err();
            client.close();
            world.heal();
            (failed, world.now())
        });
        let (failed, at) = run.result.unwrap();
        assert!(failed);
        at
    };
    let (slow, right, fast) = (waited(-500_000), waited(0), waited(500_000));
    assert!(slow >= s(40) && right >= s(20) && right < s(21) && fast < s(14), "{slow:?} {right:?} {fast:?}");
}

#[test]
fn one_side_of_a_half_open_connection_hears_nothing() {
    for deaf in [End::Client, End::Broker] {
        let run = sim::run(1, options(FaultPlan::default()), async move |world: World| {
            let mut config = world.config();
            config.request_timeout = s(10);
            let client = world.client(config, 0).unwrap();
            let writer = client.writer(WriterConfig::new("events")).unwrap();
            writer.write(Record::new("v")).await.unwrap();
            let before = world.now();
            world.fault(Fault::HalfOpen { route: Route::all(), deaf }).unwrap();
            writer.write(Record::new("v")).await.unwrap();
            client.close();
            world.now() - before
        });
        let took = run.result.unwrap();
        // A client that hears nothing finds out by its request's time-out.
        assert_eq!(took >= s(10), deaf == End::Client, "{deaf:?}: {took:?}");
    }
}

/// The first copy of a batch is given up on its way, the second is refused, and then the first arrives after all.
#[test]
fn of_a_refused_batch_an_earlier_copy_may_still_be_written() {
    let run = sim::run(1, options(FaultPlan::default()), async |world| {
        let mut config = world.config();
        config.request_timeout = s(1);
        let client = world.client(config, 0).unwrap();
        let writer = client.writer(WriterConfig::new("events")).unwrap();
        writer.write(Record::new("a")).await.unwrap();
        let (route, way) = (Route::all(), Way::Requests);
        let ms = Duration::from_millis;
        world.fault_for(ms(100), Fault::Latency { route, way, shortest: s(20), longest: s(20) }).unwrap();
        let refused = Fault::Requests {
            requests: Requests::of(ApiKey::PRODUCE),
            fault: RequestFault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        };
        world.fault(refused).unwrap();
        let error = writer.write(Record::new("b")).await.unwrap_err();
        let end = |world: &World| world.cluster(|cluster| cluster.offsets("events", 0).unwrap().1);
        let then = end(&world);
        world.sleep(s(30)).await;
        client.close();
        let code = match error.cause {
            Error::Rejected { code, .. } => Some(code),
            _ => None,
        };
        (error.fate, code, then, end(&world))
    });
    let refused = Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(run.result, Ok((Fate::Unknown, refused, 1, 2)));
}

/// What a client says of itself stands between what the network did, and belongs to what two runs are compared by.
#[test]
fn the_trace_shows_notices() {
    let topics = vec![("events".to_owned(), 1)];
    let cluster = ClusterOptions { nodes: 2, default_replication_factor: 2, topics, ..Default::default() };
    let run = sim::run(1, Options { cluster, ..Default::default() }, async |world| {
        let client = world.client(world.config(), 0).unwrap();
        let writer = client.writer(WriterConfig::new("events")).unwrap();
        writer.write(Record::new("v")).await.unwrap();
        let (old, _) = world.cluster(|cluster| cluster.leader("events", 0)).unwrap();
        let to = if old == BrokerId(1) { BrokerId(2) } else { BrokerId(1) };
        world.fault(Fault::MoveLeader { topic: "events".into(), partition: 0, to }).unwrap();
        writer.write(Record::new("v")).await.unwrap();
        client.close();
        (old, to)
    });
    let (old, to) = run.result.unwrap();
    let story = run.trace.to_string();
    let told = |text: &str| story.lines().any(|line| line.contains("client 1: ") && line.contains(text));
    assert!(told("to bootstrap server") && told("is ready"), "{story}");
    assert!(told("events/0: a batch of 1 records from sequence 1 again in"), "{story}");
    assert!(told(&format!("events/0: leader broker {to} after broker {old}, epoch 1")), "{story}");
}

#[test]
fn a_plan_that_makes_no_sense_starts_nothing() {
    let crash = Fault::Crash { broker: BrokerId(2), lose_page_cache: false };
    let run = sim::run(1, options(FaultPlan::default().at(s(0), crash)), async |_| unreachable!());
    let error: Result<(), _> = run.result;
    let expected = "the fault plan makes no sense: there is no broker 2: the cluster has those from 1 to 1";
    assert_eq!(error, Err(Stuck::Failed(expected.to_owned())));
}

#[test]
fn a_failure_is_shrunk_to_the_fault_that_causes_it() {
    let route = Route::all();
    // No reader lives with this.
    let denied = Fault::Requests {
        requests: Requests::of(ApiKey::FETCH),
        fault: RequestFault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
    };
    let plan = FaultPlan::default()
        .at(s(0), Fault::Pieces { route, longest: 8 })
        .at(s(0), denied)
        .at(
            Duration::from_micros(1),
            Fault::MoveLeader { topic: "events".into(), partition: 0, to: BrokerId(1) },
        )
        .at(Duration::from_micros(2), Fault::Pieces { route, longest: 100 });
    let calm = scenario("calm").unwrap();
    // Where a seed ends before a reader fetches, nothing fails.
    let shrunk =
        (0..20).find_map(|seed| shrink(&Simulation::of(calm, seed).with_faults(plan.clone()), s(60)));
    let shrunk = shrunk.unwrap();
    let left: Vec<_> = shrunk.simulation.faults().faults().map(Fault::kind).collect();
    assert_eq!(left, [Kind::ErrorCode]);
    let why = shrunk.why.to_string();
    assert!(why.contains("a reader failed") && why.contains("TOPIC_AUTHORIZATION_FAILED"), "{why}");
    assert_eq!(shrunk.simulation.run().result, Err(shrunk.why));
    assert!(
        shrunk.simulation.work().contains("1 tasks of 1 records, 1 reading"),
        "{}",
        shrunk.simulation.work()
    );
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    assert!(shrink(&Simulation::new(1), s(60)).is_none());
}

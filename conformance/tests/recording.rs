//! Clients in trouble, recorded and replayed: the same comes out, to the last output.

use std::path::Path;
use std::process::Command;

use milena_conformance::cluster::{ClusterOptions, Requests};
use milena_conformance::sim::{self, Fault, FaultPlan, Options, Simulation, scenarios};
use milena_core::protocol::ApiKey;
use milena_core::{Record, Recording, RecordingConfig, WriterConfig};

/// `MILENA_SEEDS` widens it.
#[test]
fn clients_of_simulated_trouble_are_replayed_with_equal_outputs() {
    let seeds = std::env::var("MILENA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12);
    for scenario in scenarios() {
        for seed in 0..seeds {
            let run = Simulation::of(*scenario, seed).recorded().run();
            assert!(run.result.is_ok(), "seed {seed} of {}: {:?}", scenario.name, run.result);
        }
    }
}

/// A record that gets there although the first answer to it was lost, and the recording of it.
fn recording(seed: u64) -> Recording {
    let lost = Fault::Requests {
        requests: Requests::of(ApiKey::PRODUCE).times(1),
        fault: milena_conformance::cluster::Fault::CloseAfter,
    };
    let options = Options {
        cluster: ClusterOptions { nodes: 1, topics: vec![("events".to_owned(), 1)], ..Default::default() },
        faults: FaultPlan::default().at(std::time::Duration::ZERO, lost),
        ..Options::default()
    };
    let run = sim::run(seed, options, async |world| {
        let mut config = world.config();
        config.recording = Some(RecordingConfig::default());
        let client = world.client(config, 0).unwrap();
        let writer = client.writer(WriterConfig::new("events")).unwrap();
        writer.write(Record::new("a secret")).await.unwrap();
        client.close();
        client.recording().unwrap()
    });
    run.result.unwrap()
}

#[test]
fn the_command_tells_the_story_of_a_file_and_finds_what_differs() {
    let recording = recording(1);
    let mut file = std::env::temp_dir();
    file.push(format!("milena-recording-{}", std::process::id()));
    let replay = |file: &Path, options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_milena-conformance"));
        let output = command.arg("replay").arg(file).args(options).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    std::fs::write(&file, recording.to_bytes()).unwrap();
    let (code, story, error) = replay(&file, &[]);
    assert_eq!((code, &*error), (Some(0), ""), "{story}");
    for part in [
        "wants topic \"events\"\n",
        "-> send Produce (0) version",
        " is lost with ",
        "records 0 +1 are written at offset 0\n",
        "the client is shut down: closed\n",
        "\nevents ",
    ] {
        assert!(story.contains(part), "{part:?} is not in\n{story}");
    }
    assert!(!story.contains("a secret"));
    let (code, quiet, _) = replay(&file, &["--quiet"]);
    assert_eq!((code, quiet.lines().count()), (Some(0), 1), "{quiet}");
    assert!(story.ends_with(&quiet), "{quiet}");

    let mut bytes = recording.to_bytes();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&file, bytes).unwrap();
    let (code, story, error) = replay(&file, &[]);
    assert_eq!((code, &*story), (Some(1), ""));
    assert!(error.contains("damaged"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let (code, ..) = replay(&file, &[]);
    assert_eq!(code, Some(1));
}

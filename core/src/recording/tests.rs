//! Scripts that are recorded and replayed, and what is and is not in a recording. (`World` replays every other script of the core.)

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Recording, RecordingError, ReplayError, Replayed};
use crate::connection::ConnId;
use crate::error::{CloseReason, Error};
use crate::machine::tests::{Asked, World};
use crate::machine::{Command, Input, reader};
use crate::producer::Done;
use crate::protocol::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use crate::protocol::list_offsets::*;
use crate::protocol::{ApiKey, ErrorCode};
use crate::record::{BatchBuilder, Compression, Producer};
use crate::wire::Uuid;
use crate::{RecordingConfig, Reset};

const SECRET: &[u8] = b"sesame!";

fn recorded(bytes: usize, data: bool) -> impl Fn(&mut crate::Config) {
    move |config| config.recording = Some(RecordingConfig { bytes, data })
}

fn replayed(recording: &Recording) -> (Result<Replayed, ReplayError>, String) {
    let mut story = String::new();
    let result = recording.replay(|line| story += &format!("{line}\n"));
    (result, story)
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// A world in which so many records were written, one after the other.
fn written(records: i64, recording: impl Fn(&mut crate::Config)) -> World {
    let mut world = World::writing(&[(1, 0)], |config, _| recording(config));
    for offset in 0..records {
        let delivery = world.write(0, SECRET);
        let asked = world.take(ApiKey::PRODUCE);
        world.accept(&asked[0], offset);
        assert!(delivery.outcome().is_some_and(|outcome| outcome.is_ok()));
        world.pass_ms(5);
    }
    world
}

/// A world in which a batch was fetched, and the fetch behind it.
fn read(recording: impl Fn(&mut crate::Config)) -> (World, Asked) {
    let mut world = World::reading(&[(1, 0)], |config, reader| {
        recording(config);
        reader.reset = Reset::Error;
    });
    let asked = world.take(ApiKey::LIST_OFFSETS);
    let partition = ListOffsetsPartitionResponse { offset: 0, ..Default::default() };
    let partitions = vec![ListOffsetsPartitionResponse { error_code: ErrorCode::NONE, ..partition }];
    let topic = ListOffsetsTopicResponse { name: "t".into(), partitions, ..Default::default() };
    world.answer::<ListOffsetsRequest>(
        &asked[0],
        ListOffsetsResponse { topics: vec![topic], ..Default::default() },
    );
    let asked = world.take(ApiKey::FETCH);
    let mut builder = BatchBuilder::with_capacity(0);
    for _ in 0..7 {
        builder.append(0, None, Some(SECRET), &[]);
    }
    let records = Some(builder.seal(Compression::None, Producer::NONE).unwrap());
    fetched(&mut world, &asked[0], PartitionData { records, ..Default::default() });
    let next = world.take(ApiKey::FETCH).remove(0);
    assert_eq!(next.request::<FetchRequest>().topics[0].partitions[0].fetch_offset, 7);
    (world, next)
}

fn fetched(world: &mut World, asked: &Asked, data: PartitionData) {
    let topic =
        FetchableTopicResponse { topic_id: Uuid([1; 16]), partitions: vec![data], ..Default::default() };
    world.answer::<FetchRequest>(asked, FetchResponse { responses: vec![topic], ..Default::default() });
}

#[test]
fn a_replay_tells_the_story_and_gives_the_same_outputs() {
    let mut world = written(2, recorded(1 << 20, false));
    world.write(0, b"lost").outcome();
    let asked = world.take(ApiKey::PRODUCE);
    world.hang_up(asked[0].conn);
    let (result, story) = replayed(&world.client.recording().unwrap());
    let replayed = result.unwrap_or_else(|error| panic!("{story}{error}"));
    assert!(replayed.events > 20 && replayed.outputs > 20 && replayed.time.as_millis() == 10, "{replayed:?}");
    for line in [
        "client \"milena\" of seed:9000: 0 connections, 0 writers, 0 readers, 0 operations, 0 requests unanswered",
        "   0.000000  writer 0 wants topic \"t\"",
        "   0.005000  writer 0 has a record in slot 0",
        "-> connect c0 to seed:9000",
        "-> send ApiVersions (18) version 4, correlation id -1",
        "-> notice: c0 to bootstrap server seed:9000 is ready",
        "-> writer 0: slot 0 batch 1: records 0 +1 are written at offset 1",
        " ends: the broker closed the connection\n             -> close c2\n",
        "-> notice: c2 to broker 1 (broker:9001) is lost with 1 unanswered",
        " again in ",
    ] {
        assert!(story.contains(line), "{line:?} is not in\n{story}");
    }
}

#[test]
fn a_recording_has_a_bound_and_its_second_half_follows_the_first() {
    let world = written(300, recorded(4096, false));
    let recording = world.client.recording().unwrap();
    let (events, snapshots) = recording.size();
    assert_eq!(recording.segments.len(), 2);
    assert!(events > 1024 && events < 8192 && snapshots < 8192, "{recording:?}");
    let (result, story) = replayed(&recording);
    let replayed = result.unwrap_or_else(|error| panic!("{story}{error}"));
    assert!(replayed.events > 50, "{replayed:?}");
    assert!(story.contains("batch 299: records 0 +1 are written at offset 299"), "{story}");
    assert!(!story.contains("batch 3: "), "{story}");

    let mut other = recording.clone();
    let mut snapshot = other.segments[1].snapshot.to_vec();
    *snapshot.last_mut().unwrap() ^= 1;
    other.segments[1].snapshot = snapshot.into();
    assert!(matches!(super::tests::replayed(&other).0, Err(ReplayError::StateDiffers { .. })));
}

#[test]
fn an_output_that_is_another_is_found_and_named() {
    let world = written(1, recorded(1 << 20, false));
    let mut recording = world.client.recording().unwrap();
    let events = replayed(&recording).0.unwrap().events;
    let mut bytes = recording.segments[0].events.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    recording.segments[0].events = bytes.into();
    let (result, story) = replayed(&recording);
    let Err(ReplayError::Differs { event, what, outputs }) = result else { panic!("{story}{result:?}") };
    assert_eq!(event, events);
    assert!(what.starts_with("c2 answers Produce") && outputs.len() == 2, "{what}: {outputs:?}");
}

#[test]
fn the_data_of_records_is_kept_only_if_that_is_wanted() {
    for data in [false, true] {
        let world = written(1, recorded(1 << 20, data));
        let recording = world.client.recording().unwrap();
        assert_eq!(holds(&recording.to_bytes(), SECRET), data, "written");
        let (result, story) = replayed(&recording);
        assert!(result.is_ok() && !story.contains("sesame"), "{story}{result:?}");

        let (mut world, next) = read(recorded(1 << 20, data));
        let error_code = ErrorCode::OFFSET_OUT_OF_RANGE;
        fetched(&mut world, &next, PartitionData { error_code, ..Default::default() });
        assert!(matches!(world.ended, Some(Some(Error::OffsetOutOfRange { offset: 7, .. }))));
        let recording = world.client.recording().unwrap();
        assert_eq!(holds(&recording.to_bytes(), SECRET), data, "read");
        let (result, story) = replayed(&recording);
        assert!(result.is_ok() && !story.contains("sesame"), "{story}{result:?}");
        assert!(story.contains("bytes of partition 0 from offset 0"), "{story}");
        assert!(story.contains("has no offset 7"), "{story}");
    }
}

/// Sealed batches are a part of the state, too.
#[test]
fn a_snapshot_has_no_data_either() {
    for data in [false, true] {
        let mut world = World::writing(&[(1, 0)], |config, _| recorded(1024, data)(config));
        drop(world.write(0, SECRET));
        for _ in 0..200 {
            world.command(Command::Refresh);
            world.pass_ms(1);
        }
        let recording = world.client.recording().unwrap();
        assert!(recording.segments.iter().all(|segment| holds(&segment.snapshot, SECRET) == data));
        let (result, story) = replayed(&recording);
        assert!(result.is_ok(), "{story}{result:?}");
    }
}

#[test]
fn a_panic_of_the_machine_is_the_end_of_the_recording_and_happens_again() {
    let mut world = written(1, recorded(1 << 20, false));
    world.hold_jobs = true;
    drop(world.write(0, b"v"));
    let job = world.jobs.pop_front().unwrap();
    let mut worked = world.work(job);
    let Done::Sealed { batches, .. } = &mut worked.result else { panic!("{worked:?}") };
    batches[0].order = u64::MAX;
    let (now, client) = (world.now, &mut world.client);
    let panics = || client.handle(now, Input::Worked(vec![worked]));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let mut heir = super::Recorded::new(crate::Config::new("seed").unwrap().into(), [0; 32]);
    heir.replace(&mut world.client, &Error::Panicked { what: "the machine".to_owned() });
    heir.command(now, Command::Refresh);
    world.client = heir;
    let (result, story) = replayed(&world.client.recording().unwrap());
    assert_eq!(result.unwrap().ended.as_deref(), Some("the machine has panicked"), "{story}");
    assert!(story.ends_with("-> the machine panicked here, and does so again\n"), "{story}");
}

#[test]
fn bytes_that_are_no_recording_are_refused_and_hostile_ones_do_no_harm() {
    let (world, _) = read(recorded(1 << 20, false));
    let recording = world.client.recording().unwrap();
    let bytes = recording.to_bytes();
    assert_eq!(Recording::from_bytes(&bytes), Ok(recording));
    for end in 0..bytes.len() {
        assert!(Recording::from_bytes(&bytes[..end]).is_err());
    }
    assert_eq!(Recording::from_bytes(b"PK\x03\x04 and so on"), Err(RecordingError::Foreign));
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        let body = changed.len() - 4;
        let crc = crc32c::crc32c(&changed[..body]).to_be_bytes();
        changed[body..].copy_from_slice(&crc);
        Recording::from_bytes(&changed)
    };
    assert!(matches!(with(6, 9), Err(RecordingError::Version { .. })));
    assert!(matches!(with(8, b'9'), Err(RecordingError::Version { by }) if by.starts_with('9')));
    assert!(matches!(with(8, 0x1b), Err(RecordingError::Version { by }) if by.starts_with(' ')));
    // Whatever it is, it is a value or an error.
    std::panic::set_hook(Box::new(|_| {}));
    for (at, byte) in bytes.iter().enumerate().take(bytes.len() - 4).skip(13) {
        for byte in [0, 1, 0x7f, 0xff, byte ^ 1] {
            if let Ok(recording) = with(at, byte) {
                let _ = recording.replay(|_| {});
            }
        }
    }
    let _ = std::panic::take_hook();
}

/// Names and reasons come from anywhere; a terminal obeys what is in them.
#[test]
fn a_story_has_no_control_characters() {
    let bell = "\u{1b}]0;title\u{7}\u{9b}2J\r";
    let mut world = World::new(|config| {
        recorded(1 << 20, false)(config);
        config.bootstrap[0].host += bell;
    });
    world.held.insert(ApiKey::API_VERSIONS);
    world.start(Command::Connect);
    let conn = world.take(ApiKey::API_VERSIONS)[0].conn;
    let reason = CloseReason::Io(std::io::ErrorKind::Other, bell.to_owned());
    world.handle(Input::Closed { conn, reason });
    let mut recording = world.client.recording().unwrap();
    recording.ended = Some(bell.to_owned());
    recording.replay(|line| assert!(!line.contains(char::is_control), "{line:?}")).unwrap();
    let (mut lines, mut told) = (0, 0);
    recording.replay(|line| (lines += 1, told += usize::from(line.contains("title"))).0).unwrap();
    assert!(lines > 4 && told > 4, "{told} of {lines}");
}

/// They would overflow the stack.
#[test]
fn errors_inside_of_errors_have_a_limit() {
    let timeout = |last: Option<Error>| Error::Timeout {
        operation: "o",
        after: std::time::Duration::ZERO,
        last: last.map(Into::into),
    };
    let nested = |depth| (0..depth).fold(timeout(None), |error, _| timeout(Some(error)));
    let there_and_back = |error: Error| {
        let bytes = postcard::to_allocvec(&Command::Shutdown(error)).unwrap();
        postcard::from_bytes::<Command>(&bytes).is_ok()
    };
    assert!(there_and_back(nested(10)));
    assert!(!there_and_back(nested(1000)));
}

#[test]
fn without_the_setting_nothing_is_recorded() {
    let mut world = World::new(|config| config.recording = None);
    world.reader(reader::Command::Close);
    world.handle(Input::Connected { conn: ConnId(7) });
    assert_eq!(world.client.recording(), None);
}

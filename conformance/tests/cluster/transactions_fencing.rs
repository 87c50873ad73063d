//! Transactions: epochs by both versions of the protocol, time-outs, and producers that another one has overtaken.

use milena_conformance::cluster::ClusterOptions;
use milena_core::protocol::{ApiVersionsRequest, ErrorCode, InitProducerIdRequest, ProducerId};

use crate::script::Script;
use crate::transactions::{END, END_V1, NO_SESSION, PRODUCE, PRODUCE_V1, given, refused};

const FENCED: ErrorCode = ErrorCode::PRODUCER_FENCED;
const INVALID_STATE: ErrorCode = ErrorCode::INVALID_TXN_STATE;
const LAST_EPOCH: i16 = i16::MAX - 1;

/// A cluster of transaction version 1, or 2.
fn of_version(version: i8) -> Script {
    Script::transactional(ClusterOptions { transaction_version: Some(version), ..ClusterOptions::default() })
}

#[test]
fn a_producer_that_starts_fences_the_one_before() {
    for (version, end, produce) in [(1, END_V1, PRODUCE_V1), (2, END, PRODUCE)] {
        let mut script = of_version(version);
        let (_, old) = script.init("x", None, 5);
        script.add("x", old, "t", &[0], 3);
        assert_eq!(script.put("x", old, 0, 0, produce), (ErrorCode::NONE, 0));
        // The first answer only says that the open transaction is being aborted.
        assert_eq!(script.init("x", None, 5), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
        assert_eq!(script.stable_offset(0), (2, vec![(1000, 0)]));
        assert_eq!(script.transaction_state("x"), ("CompleteAbort".to_owned(), (1000, 1), 0));
        let (code, new) = script.init("x", None, 5);
        assert_eq!((code, new), given(1000, 2));
        assert_eq!(script.put("x", old, 0, 1, produce), (ErrorCode::INVALID_PRODUCER_EPOCH, -1));
        assert_eq!(script.end("x", old, true, end), refused(FENCED));
        assert_eq!(script.add("x", old, "t", &[0], 3), [FENCED]);
        assert_eq!(script.add("x", old, "t", &[0], 1), [ErrorCode::INVALID_PRODUCER_EPOCH]);
        assert_eq!(script.end("x", old, true, 1), refused(ErrorCode::INVALID_PRODUCER_EPOCH));
        assert_eq!(script.init("x", Some(old), 5), refused(FENCED));
        assert_eq!(script.init("x", Some(old), 3), refused(ErrorCode::INVALID_PRODUCER_EPOCH));
        assert_eq!(script.init("x", Some((1, 0)), 5), refused(FENCED));
        script.add("x", new, "t", &[0], 3);
        assert_eq!(script.put("x", new, 0, 1, produce).0, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(script.put("x", new, 0, 0, produce), (ErrorCode::NONE, 2));
    }
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    for (version, end, produce) in [(1, END_V1, PRODUCE_V1), (2, END, PRODUCE)] {
        let mut script = of_version(version);
        let (_, session) = script.init("x", None, 5);
        script.add("x", session, "t", &[0], 3);
        script.put("x", session, 0, 0, produce);
        script.advance(59_999);
        assert_eq!(script.transaction_state("x").0, "Ongoing");
        script.advance(1);
        assert_eq!(script.transaction_state("x"), ("CompleteAbort".to_owned(), (1000, 1), 0));
        assert_eq!(script.stable_offset(0), (2, vec![(1000, 0)]));
        assert_eq!(script.put("x", session, 0, 1, produce), (ErrorCode::INVALID_PRODUCER_EPOCH, -1));
        assert_eq!(script.add("x", session, "t", &[0], 3), [FENCED]);
        match version {
            1 => {
                assert_eq!(script.end("x", session, true, end), refused(FENCED));
                assert_eq!(script.end("x", session, false, end), refused(FENCED));
            }
            // It cannot be told from an end that comes again.
            _ => {
                assert_eq!(script.end("x", session, true, end), refused(INVALID_STATE));
                assert_eq!(script.end("x", session, false, end), given(1000, 1));
            }
        }
        assert_eq!(script.init("x", Some(session), 5), refused(FENCED));
        assert_eq!(script.init("x", None, 5), given(1000, 2));
        // A new transaction has all its time.
        let (_, session) = script.init("x", None, 5);
        script.add("x", session, "t", &[0], 3);
        script.advance(59_999);
        assert_eq!(script.transaction_state("x").0, "Ongoing");
    }
}

#[test]
fn each_end_of_version_2_raises_the_epoch() {
    let mut script = of_version(2);
    let (_, first) = script.init("x", None, 5);
    assert_eq!(script.end("x", first, true, END), refused(INVALID_STATE), "nothing to commit");
    script.put("x", first, 0, 0, PRODUCE);
    assert_eq!(script.end("x", first, true, END), given(1000, 1));
    assert_eq!(script.end("x", first, true, END), given(1000, 1), "the same again");
    assert_eq!(script.end("x", first, false, END), refused(INVALID_STATE));
    let second = (1000, 1);
    assert_eq!(script.end("x", second, true, END), refused(INVALID_STATE), "it has not begun");
    assert_eq!(script.put("x", first, 0, 1, PRODUCE), (ErrorCode::INVALID_PRODUCER_EPOCH, -1));
    assert_eq!(script.put("x", second, 0, 1, PRODUCE).0, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(script.put("x", second, 0, 0, PRODUCE), (ErrorCode::NONE, 2));
    assert_eq!(script.end("x", first, true, END), refused(FENCED), "it comes late");
    assert_eq!(script.end("x", second, false, END), given(1000, 2));
    assert_eq!(script.end("x", second, false, END), given(1000, 2));
    assert_eq!(script.end("x", second, true, END), refused(INVALID_STATE));
    // An abort may find nothing, and raises the epoch all the same.
    assert_eq!(script.end("x", (1000, 2), false, END), given(1000, 3));
    assert_eq!(script.transaction_state("x"), ("CompleteAbort".to_owned(), (1000, 3), 0));
    assert_eq!(script.stable_offset(0), (4, vec![(1000, 2)]));
}

#[test]
fn ends_of_version_1_may_come_again_if_they_agree() {
    let mut script = of_version(1);
    let (_, session) = script.init("x", None, 5);
    for committed in [true, false] {
        assert_eq!(script.end("x", session, committed, END_V1), refused(INVALID_STATE), "nothing to end");
    }
    for committed in [true, false] {
        script.add("x", session, "t", &[0], 3);
        assert_eq!(script.end("x", session, committed, END_V1), NO_SESSION);
        assert_eq!(script.end("x", session, committed, END_V1), NO_SESSION);
        assert_eq!(script.end("x", session, !committed, END_V1), refused(INVALID_STATE));
    }
}

#[test]
fn a_producer_goes_on_after_an_error_with_its_next_epoch() {
    let mut script = of_version(1);
    let (_, session) = script.init("x", None, 5);
    assert_eq!(script.init("x", Some(session), 5), given(1000, 1));
    assert_eq!(script.init("x", Some(session), 5), given(1000, 1), "the answer was lost");
    assert_eq!(script.init("x", Some((1000, 1)), 5), given(1000, 2));
    assert_eq!(script.init("x", Some(session), 5), refused(FENCED));
    assert_eq!(script.init("x", None, 5), given(1000, 3));
    assert_eq!(script.init("x", Some((1000, 2)), 5), refused(FENCED), "another one has started since");
    // Nobody knows this id: whoever asks is new.
    assert_eq!(script.init("y", Some((55, 4)), 5), given(1001, 0));
}

/// Brings a producer to the last epoch that it may have.
fn to_last_epoch(script: &mut Script, id: &str) {
    let conn = script.coordinator(id, 1);
    loop {
        let request = InitProducerIdRequest {
            transactional_id: Some(id.into()),
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let answer = script.call(conn, request, 2);
        assert_eq!(answer.error_code, ErrorCode::NONE);
        if answer.producer_epoch == LAST_EPOCH {
            return;
        }
    }
}

#[test]
fn used_up_epochs_bring_a_new_id() {
    let mut script = of_version(2);
    to_last_epoch(&mut script, "x");
    let last = (1000, LAST_EPOCH);
    assert_eq!(script.put("x", last, 0, 0, PRODUCE), (ErrorCode::NONE, 0));
    assert_eq!(script.end("x", last, true, END), given(1001, 0));
    assert_eq!(script.producer_state(0, 1000), Some((i16::MAX.into(), -1, 0, -1)));
    assert_eq!(script.end("x", last, true, END), given(1001, 0), "the same again, by the old id");
    assert_eq!(script.put("x", (1001, 0), 0, 0, PRODUCE), (ErrorCode::NONE, 2));
    assert_eq!(script.end("x", last, true, END), refused(FENCED));
    assert_eq!(script.put("x", last, 1, 0, PRODUCE), (ErrorCode::INVALID_PRODUCER_ID_MAPPING, -1));

    let mut script = of_version(1);
    to_last_epoch(&mut script, "x");
    assert_eq!(script.init("x", Some(last), 5), given(1001, 0));
    assert_eq!(script.init("x", Some(last), 5), given(1001, 0), "the answer was lost");
    to_last_epoch(&mut script, "y");
    assert_eq!(script.init("y", None, 5), given(1003, 0));
    // Fencing takes the one epoch that was kept for it.
    to_last_epoch(&mut script, "z");
    script.add("z", (1004, LAST_EPOCH), "t", &[0], 3);
    assert_eq!(script.init("z", None, 5), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(script.transaction_state("z").1, (1004, i16::MAX));
    assert_eq!(script.init("z", None, 5), given(1005, 0));
}

#[test]
fn the_feature_tells_which_version_holds() {
    for (release, chosen, level) in
        [("4.3", None, Some(2)), ("4.0", Some(1), Some(1)), ("4.0", Some(0), None), ("3.9", Some(2), None)]
    {
        let mut script = Script::transactional(ClusterOptions {
            as_version: release.parse().unwrap(),
            transaction_version: chosen,
            ..ClusterOptions::default()
        });
        let conn = script.connect(1);
        let request = ApiVersionsRequest {
            client_software_name: "a".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        let features = script.call(conn, request, 3).finalized_features;
        let told = features.first().map(|feature| feature.max_version_level);
        assert_eq!(told, level, "{release} {chosen:?}");
    }
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    let mut script = of_version(2);
    let (_, session) = script.init("open", None, 5);
    script.init("idle", None, 5);
    script.advance(30_000);
    assert_eq!(script.put("open", session, 0, 0, PRODUCE).0, ErrorCode::NONE);
    script.state.expire_transactional_ids(std::time::Duration::from_secs(20));
    assert_eq!(script.transaction_state("open").0, "Ongoing");
    let unknown = refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(script.end("idle", (1001, 0), true, END), unknown);
    script.state.set_next_producer_id(ProducerId(7000));
    assert_eq!(script.init("idle", None, 5), given(7000, 0));
}

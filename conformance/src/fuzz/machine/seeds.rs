//! Inputs made by hand: settings, then steps that get a client to where something can go wrong.

const NEXT_TIMEOUT: u8 = 0;
const PASS: u8 = 2;
const CONNECT: u8 = 4;
const REFUSE: u8 = 6;
const HANG_UP: u8 = 7;
const PULL: u8 = 8;
const ANSWER: u8 = 9;
const APPEND: u8 = 14;
const FLUSH: u8 = 17;
const WORK: u8 = 19;
const CONSUME: u8 = 20;
const CALL: u8 = 21;
const CHANGE: u8 = 26;
const CALM: u8 = 28;
const STORM: u8 = 30;

/// Some steps are others with their high bits set.
const OTHER: u8 = 0xc0;
const WALL: u8 = 1 | OTHER;
const CHURN: u8 = 26 | OTHER;
/// Followed by 0 for those who hang up on new versions, by 1 for garbage.
const HOSTILE: u8 = 30 | OTHER;
const SLOW_CALM: u8 = 28 | OTHER;

/// Three brokers with four partitions each topic, and a new Kafka; the default writer and reader.
const USUAL: [u8; 4] = [0x4e, 0, 0, 0];

/// The oldest request of the first connection is answered rightly, whole.
const RIGHT: [u8; 4] = [ANSWER, 0, 0, 0];

/// Records for two partitions, sealed.
const RECORDS: &[u8] = &[APPEND, 2, 20, 0, 0, APPEND, 5, 30, 0, 1, WORK, 0, 9];

/// Pauses pass, and everything is answered rightly, until nothing is asked for any more.
const GO: &[u8] = &[CALM, NEXT_TIMEOUT, CALM, NEXT_TIMEOUT, CALM, NEXT_TIMEOUT, CALM];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    // Connects, negotiates, learns of the cluster, and asks each broker it needs.
    let by_hand = &[&[CONNECT, 0, PULL, 3, 0][..], &RIGHT, &[PULL, 3, 0], &RIGHT].concat()[..];
    let written = &[&[CALM], RECORDS, GO].concat()[..];
    let with = |settings: [u8; 4], steps: &[&[u8]]| [&settings[..], &steps.concat()].concat();
    // All of it is answered with this code; then it goes on.
    let storm = |code: u8, how: u8| [RECORDS, &[STORM, code, how, 1], GO].concat();
    let calls = [CALL, 0, 0, CALL, 25, 0, CALL, 0x23, 0x80, CALL, 42, 1, CALL, 0x25, 0x40, CALL, 4, 0];
    let late_calls = [CALL, 0x32, 4, 9, 3, CALL, 0x2a, 2, NEXT_TIMEOUT];
    let old = [CALM, APPEND, 10, 9, 0, 0, APPEND, 3, 200, 0, 0, CALM, CONSUME, 0, 0];
    let moved = [HANG_UP, 0, 0, CHANGE, 0, 0, 0, HANG_UP, 2, 0];
    // Each connection's request leaves, and what was written is acknowledged.
    let asked: Vec<u8> =
        [&[NEXT_TIMEOUT; 4][..], &[3, 4, 5, 6, 7].map(|conn| [PULL, 3, conn]).concat()].concat();
    let stored = [ANSWER, 0, 0, 6, ANSWER, 0, 0, 7];
    let refused = [ANSWER, 4, 0, 4, 17, 0, ANSWER, 0, 0, 3, ANSWER, 0, 0, 5];
    // The only request of the first broker's connection is answered wrongly.
    let call = [CALM, CALL, 0, 0, PULL, 3, 0];
    let wrong =
        |answer: &[u8]| with(USUAL, &[&call, answer, &[CALL, 0, 0, PULL, 3, 0, NEXT_TIMEOUT], written]);
    vec![
        with(USUAL, &[by_hand, RECORDS, by_hand, by_hand, &[CONSUME, 0, 0, NEXT_TIMEOUT]]),
        with(USUAL, &[written, &[CONSUME, 0, 0, CONSUME, 0, 0], RECORDS, &[FLUSH, 0], GO]),
        // Read to the end, from two bootstrap servers.
        with([0x8d, 0, 0, 4], &[written, &[CONSUME, 0, 0, PASS, 18, 9, CALM]]),
        // Brokers of old, records with headers among others, small batches.
        with([0x01, 6, 0x83, 0], &[&old, written]),
        with([0x05, 7, 0x02, 8], &[&old, written]),
        // Nobody listens, then it works; a broker hangs up and leaders move.
        with(USUAL, &[&[REFUSE, 2, 0, NEXT_TIMEOUT, REFUSE, 0, 0, NEXT_TIMEOUT], written]),
        with(USUAL, &[written, &moved, RECORDS, GO]),
        // Too large, compressed; not the leader any more, with and without the name of the one that is.
        with([0x02, 0, 0x88, 0], &[written, &storm(9, 0)]),
        with(USUAL, &[written, &storm(6, 8), &storm(6, 0)]),
        // A gap, a forgotten producer, a newer epoch; an epoch that is nearly the last.
        with(USUAL, &[written, &storm(20, 0), &storm(24, 0), &storm(22, 0)]),
        with(USUAL, &[RECORDS, &[STORM, 0, 8, 1], &storm(24, 0), &storm(24, 0)]),
        // Slow down; wait; the offset is not in the log.
        with(USUAL, &[written, &storm(0, 4), &storm(6, 2), &storm(2, 0)]),
        with(USUAL, &[&[CALM], &calls, &[CALM]]),
        // A call while another is in flight.
        with(USUAL, &[&[CALM, CALL, 0, 0, PULL, 3, 0, CALL, 0, 0, PULL, 3, 0, CALL, 1, 0, PULL, 3, 0], GO]),
        with(USUAL, &[&late_calls, written, &[PASS, 19, 255]]),
        // Nobody takes what was written until its time is over.
        with([0x4e, 0, 2, 0], &[written, RECORDS, &[PASS, 19, 255, PASS, 19, 255], GO]),
        // One of the leaders refuses the reader for good, while others have something for it.
        with(USUAL, &[written, RECORDS, &asked, &stored, &refused, GO]),
        // By chance, nearly right, garbage in a frame and without one, twice, with another id, another's answer, never.
        wrong(&[ANSWER, 7, 0, 0, 1, 2]),
        wrong(&[ANSWER, 9, 0, 0, 2, 0, 20, 3, 0, 9, 9, 0, 5, 8]),
        wrong(&[ANSWER, 11, 0, 0, 2, 3, 1, 2, 3]),
        wrong(&[ANSWER, 11, 5, 0, 3, 0, 0, 4]),
        wrong(&[ANSWER, 12, 6, 0]),
        wrong(&[ANSWER, 13, 0, 0, 3]),
        wrong(&[ANSWER, 14, 0, 0, 3]),
        wrong(&[ANSWER, 15, 0, 0, PASS, 19, 90]),
        // Brokers move, and others take their places; the clock is set back; sockets take a few bytes at a time.
        with(
            USUAL,
            &[written, &[CHANGE, 6, 0, 0, 23], GO, RECORDS, GO, &[CHANGE, 7, 0, 0, 23], GO, RECORDS, GO],
        ),
        with(USUAL, &[written, &[CHURN, 2], RECORDS, GO]),
        with([0x8e, 7, 3, 0], &[written, &[CHURN, 3], RECORDS, GO]),
        with(USUAL, &[written, &[WALL, 200, 30], RECORDS, GO, &[WALL, 50, 31, CONSUME, 0, 0]]),
        with(USUAL, &[&[SLOW_CALM], RECORDS, &[PULL | OTHER, 3, 0, SLOW_CALM, NEXT_TIMEOUT, SLOW_CALM], GO]),
        // Garbage for all that is asked, again and again; a peer that hangs up on what it does not know.
        with(USUAL, &[written, RECORDS, &calls, &[HOSTILE, 1, NEXT_TIMEOUT, HOSTILE, 1, NEXT_TIMEOUT], GO]),
        with(USUAL, &[&[HOSTILE, 1, NEXT_TIMEOUT, HOSTILE, 1], written, &[HOSTILE, 1]]),
        with(USUAL, &[&[HOSTILE, 0, NEXT_TIMEOUT, HOSTILE, 0, NEXT_TIMEOUT], written]),
        // The very first answers.
        with(USUAL, &[&[CONNECT, 0, PULL, 3, 0, ANSWER, 9, 0, 0, 1, 0, 6, 1, 0, 2, 1], written]),
        with(USUAL, &[by_hand, by_hand, &[PULL, 3, 0, ANSWER, 7, 0, 0, 9, 9], written]),
    ]
}

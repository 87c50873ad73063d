//! What the sender does about each error code of a produce answer.

use crate::protocol::ErrorCode;

/// The sender's answer to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is in the log.
    Done,
    /// Same batch again, after a pause.
    Retry,
    /// Same batch again, to the leader that new metadata will name.
    FindLeader,
    /// A batch before it is missing: behind others it is sent again; if it is the oldest, the gap is real, and what is
    /// left gets new numbers under a new epoch.
    OutOfOrder,
    /// The broker does not know (any more) the producer id or epoch: new numbers under a new epoch or id.
    Renumber,
    /// The batch is too large for the topic: it is cut in two, a single record fails.
    Split,
    /// Its records fail.
    Fail,
}

impl Action {
    pub(crate) fn on(code: ErrorCode) -> Action {
        match code {
            // A duplicate is what a retry of a written batch is called once the broker forgot where it put it.
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Action::Done,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER => Action::OutOfOrder,
            ErrorCode::UNKNOWN_PRODUCER_ID | ErrorCode::INVALID_PRODUCER_EPOCH => Action::Renumber,
            ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => Action::Split,
            code if code.is_invalid_metadata() => Action::FindLeader,
            code if code.is_retriable() => Action::Retry,
            _ => Action::Fail,
        }
    }
}

/// Whether a batch may have been appended although the broker answered with this error.
///
/// While a write waits for the in-sync replicas, its leader may lose its place or its disk: the answer tells of that, and of
/// the offset that the batch had got.
pub(crate) fn may_be_written(code: ErrorCode, base_offset: i64) -> bool {
    base_offset >= 0
        || matches!(code, ErrorCode::REQUEST_TIMED_OUT | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, by action; codes that are not listed fail.
    #[test]
    fn every_error_code_has_its_action() {
        let listed =
            |codes: &[i16], action| codes.iter().map(move |code| (*code, action)).collect::<Vec<_>>();
        let mut table = Vec::new();
        table.extend(listed(&[0, 46], Action::Done));
        table.extend(listed(&[45], Action::OutOfOrder));
        table.extend(listed(&[47, 59], Action::Renumber));
        table.extend(listed(&[10, 18], Action::Split));
        table.extend(listed(&[3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103], Action::FindLeader));
        table.extend(listed(
            &[2, 7, 14, 15, 16, 19, 20, 41, 51, 70, 71, 75, 78, 88, 89, 106, 122, 123, 133],
            Action::Retry,
        ));
        for code in -1..=140 {
            let expected =
                table.iter().find(|(listed, _)| *listed == code).map_or(Action::Fail, |(_, action)| *action);
            assert_eq!(Action::on(ErrorCode(code)), expected, "{code}");
        }
    }
}

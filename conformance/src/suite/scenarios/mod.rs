//! The scenarios, written once, against the handles' common face.
//!
//! One is an async function, generic over its [`Place`], and a name in the list below; the compiler warns of one that is
//! not in the list. It asserts on values and returns what is wrong: nothing else needs to be cleaned up.

mod calls;
mod ending;
mod flow;
mod limits;
mod peers;
mod reading;
mod troubles;
mod writing;

use std::pin::Pin;

use super::place::Place;
use super::scene::{Outcome, Scene};

pub(super) type Playing = Pin<Box<dyn Future<Output = Outcome>>>;

/// A scenario at one kind of place.
pub(super) type Scenario<P> = fn(Scene<P>) -> Playing;

macro_rules! scenarios {
    ($($module:ident { $($name:ident)* })*) => {
        /// Their names, in the order of the table.
        pub(super) const NAMES: &[&str] = &[$($(stringify!($name)),*),*];

        /// They themselves.
        pub(super) fn all<P: Place>() -> Vec<Scenario<P>> {
            vec![$($(|scene| Box::pin($module::$name(scene))),*),*]
        }
    };
}

scenarios! {
    writing {
        write_and_read
        all_that_a_record_can_be
        one_record_at_a_time
        large_records
        every_codec
        many_tasks_on_one_writer
        many_clients
    }
    reading {
        waiting_at_the_end
        where_to_start
        a_slow_reader
    }
    limits {
        back_pressure
        a_silent_leader
        missing_topic
        missing_partition
    }
    calls {
        calls_to_everyone
        topics_come_and_go
        a_topic_grows
    }
    troubles {
        a_broker_crashes
        leaders_move
        a_broker_stands_still
        connections_are_cut
        brokers_hang_up_on_the_idle
    }
    ending {
        flush_and_close
        a_writer_is_dropped
        a_reader_is_dropped
        a_client_is_closed
        handles_are_dropped_in_any_order
    }
    peers {
        peers_that_are_no_kafka
        peers_that_say_nothing
    }
}

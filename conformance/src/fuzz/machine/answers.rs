//! How requests are answered: rightly, nearly so, by chance, or not at all.

use milena_core::machine::ConnId;
use milena_core::protocol::{APIS, AnyMessage, ApiKey, ErrorCode};

use super::Run;
use super::broker::{Asked, Twist};
use super::drive::framed;
use crate::oracle::random::Chance;

/// Codes that somebody does something of his own about, one of them or more of each kind.
const CODES: [i16; 32] = [
    0, -1, 1, 2, 3, 5, 6, 7, 9, 10, 14, 15, 16, 17, 19, 20, 22, 29, 35, 41, 45, 46, 47, 56, 59, 72, 74, 76,
    87, 89, 100, 103,
];

/// What a peer says that is no Kafka.
const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";

/// How everything is answered for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Storm {
    Answers(Twist),
    /// Versions are told, and nothing else.
    Garbage,
    /// Whoever asks for versions in a new way is hung up on.
    HangUp,
}

impl Run<'_> {
    pub(super) fn twist(&mut self) -> Twist {
        let [code, how] = self.choices.word().to_be_bytes();
        Twist {
            code: ErrorCode(CODES[usize::from(code) % CODES.len()]),
            throttle_ms: [0, 0, 50, -5, 3_000, i32::MAX, 0, 0][usize::from(how & 7)],
            hint: how & 8 != 0,
            silent: how & 16 != 0,
            sparse: how & 32 != 0,
        }
    }

    /// The broker's answer, from which it may differ in a way that is named.
    fn told(&mut self, conn: ConnId, asked: &Asked, twist: Twist) -> Vec<u8> {
        let broker = self.drive.cluster.broker_at(&self.drive.conns[&conn].address);
        self.drive.cluster.answer(asked, broker, twist)
    }

    /// As all are answered in a storm.
    pub(super) fn answer_with(&mut self, conn: ConnId, asked: Asked, storm: Storm) {
        if !self.drive.conns.contains_key(&conn) {
            return;
        }
        let bytes = match storm {
            Storm::HangUp if asked.key == ApiKey::API_VERSIONS && asked.version > 0 => {
                return self.drive.end_of_stream(conn);
            }
            Storm::Garbage if asked.key != ApiKey::API_VERSIONS => HTTP.to_vec(),
            Storm::Answers(twist) => framed(&self.told(conn, &asked, twist)),
            Storm::HangUp | Storm::Garbage => framed(&self.told(conn, &asked, Twist::NONE)),
        };
        let to = self.drive.conns.get_mut(&conn).expect("it is there");
        to.has_garbage |= storm == Storm::Garbage;
        to.coming.extend(bytes);
        self.drive.receive_all(conn);
    }

    pub(super) fn answer(&mut self) {
        let [how, which] = self.choices.word().to_be_bytes();
        let Some(conn) = self.conn(true) else { return };
        let waiting = &mut self.drive.conns.get_mut(&conn).expect("it was picked").asked;
        if waiting.is_empty() {
            return;
        }
        // Mostly the oldest: brokers answer in order, and a connection ends where one does not.
        let place = if which >> 4 < 14 { 0 } else { usize::from(which >> 4) % waiting.len() };
        let asked = waiting.remove(place);
        let bytes = match how % 16 {
            0..=3 => framed(&self.told(conn, &asked, Twist::NONE)),
            4..=6 => {
                let twist = self.twist();
                framed(&self.told(conn, &asked, twist))
            }
            7 | 8 => self.by_chance(&asked),
            9 | 10 => self.nearly_right(conn, &asked),
            11 => self.garbage(&asked),
            12 => framed(&self.told(conn, &asked, Twist::NONE)).repeat(2),
            13 => {
                let mut frame = self.told(conn, &asked, Twist::NONE);
                let other = asked.correlation.wrapping_add(1 + i32::from(self.choices.byte()));
                frame[..4].copy_from_slice(&other.to_be_bytes());
                framed(&frame)
            }
            14 => self.of_another(&asked),
            // It is never answered.
            _ => return,
        };
        let to = self.drive.conns.get_mut(&conn).expect("it was picked");
        to.has_garbage |= how % 16 == 11;
        to.coming.extend(bytes);
        let whole = to.coming.len();
        match which & 7 {
            0..=4 => self.drive.receive(conn, whole),
            5 => {
                let first = self.choices.word().into();
                self.drive.receive(conn, first);
                self.drive.receive_all(conn);
            }
            6 => (0..whole.min(300)).for_each(|_| self.drive.receive(conn, 1)),
            _ => {
                let first = self.choices.word().into();
                self.drive.receive(conn, first);
            }
        }
    }

    fn by_chance(&mut self, asked: &Asked) -> Vec<u8> {
        let mut answer = AnyMessage::response(asked.key).expect("the client asks what it knows");
        let mut random = self.choices.random();
        answer.supply(asked.version, &mut Chance::new(&mut random)).expect("a version that there is");
        let body = answer.encode(asked.version).expect("what was supplied");
        framed(&[asked.header(asked.correlation, asked.version), body.concat()].concat())
    }

    /// The right one, with a few bytes changed.
    fn nearly_right(&mut self, conn: ConnId, asked: &Asked) -> Vec<u8> {
        let mut frame = self.told(conn, asked, Twist::NONE);
        for _ in 0..=self.choices.below(3) {
            // Mostly after the correlation id.
            let at = (4 + usize::from(self.choices.word())) % frame.len();
            frame[at] = match self.choices.byte() {
                change @ 0..8 => frame[at] ^ 1 << change,
                8 => frame[at].wrapping_add(1),
                9 => frame[at].wrapping_sub(1),
                other => other,
            };
        }
        framed(&frame)
    }

    fn garbage(&mut self, asked: &Asked) -> Vec<u8> {
        let [how, count] = self.choices.word().to_be_bytes();
        let bytes: Vec<u8> = (0..count).map(|_| self.choices.byte()).collect();
        match how % 4 {
            0 => bytes,
            1 => framed(&bytes),
            2 => framed(&[asked.header(asked.correlation, asked.version), bytes].concat()),
            _ => HTTP.to_vec(),
        }
    }

    /// What answers another request.
    fn of_another(&mut self, asked: &Asked) -> Vec<u8> {
        let api = &APIS[self.choices.below(APIS.len())];
        let mut answer = AnyMessage::response(api.key).expect("every API has both");
        let body = answer.encode(*api.versions.start()).expect("defaults can be said");
        framed(&[asked.header(asked.correlation, asked.version), body.concat()].concat())
    }
}

//! Faults by chance, against a model of the log.

use super::*;

/// What a broker knows of a producer: its epoch, the next sequence number, the last five batches (sequence, offset).
struct Known {
    epoch: i16,
    next: i32,
    recent: std::collections::VecDeque<(i32, i64)>,
}

/// A partition's log with a broker's check of sequence numbers.
#[derive(Default)]
struct Log {
    values: Vec<String>,
    producers: std::collections::BTreeMap<i64, Known>,
}

impl Log {
    fn append(&mut self, asked: &Asked) -> Result<i64, ErrorCode> {
        let (id, sequence, values) = one(asked);
        let epoch = epoch(asked);
        let known =
            self.producers.entry(id).or_insert(Known { epoch, next: sequence, recent: Default::default() });
        if epoch < known.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if epoch > known.epoch {
            if sequence != 0 {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            *known = Known { epoch, next: 0, recent: Default::default() };
        }
        let Known { next, recent, .. } = known;
        if let Some((_, offset)) = recent.iter().find(|(known, _)| *known == sequence) {
            return Ok(*offset);
        }
        if sequence != *next {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        let offset = self.values.len() as i64;
        *next = sequence + values.len() as i32;
        recent.push_back((sequence, offset));
        if recent.len() > 5 {
            recent.pop_front();
        }
        self.values.extend(values);
        Ok(offset)
    }
}

/// Faults of every kind by chance: what is acknowledged is in the log once, in order, at its offset; what is said not to
/// be there is not.
#[test]
fn every_record_is_written_once_and_in_order_whatever_the_broker_does() {
    for seed in 1..=60u16 {
        let mut rng = crate::rng::Rng::new(std::array::from_fn(|i| (seed >> (i % 2 * 8)) as u8));
        let calm = rng.below(20) + 2;
        let mut world = World::writing(&[(1, 0)], |_, writer| {
            writer.batch_bytes = 128;
            writer.delivery_timeout = Duration::from_secs(if seed % 3 == 0 { 3 } else { 120 });
        });
        let mut log = Log::default();
        let mut deliveries = Vec::new();
        let mut steps = 0;
        while steps < 400 || deliveries.iter().any(|(_, d): &(String, Delivery)| d.outcome().is_none()) {
            steps += 1;
            assert!(steps < 20_000, "seed {seed}: it waits for ever");
            let faulty = steps < 400;
            if faulty && rng.below(3) > 0 {
                let value = format!("{:05}{}", deliveries.len(), "x".repeat(rng.below(20)));
                let delivery = world.write(0, value.as_bytes());
                deliveries.push((value, delivery));
            }
            if rng.below(2) == 0 {
                world.pass_ms(rng.below(150) as u64);
            }
            let Some(asked) = produces(&mut world).into_iter().next() else { continue };
            match rng.below(if faulty { calm } else { 1 << 40 }) {
                0 => world.refuse(&asked, ErrorCode::NOT_ENOUGH_REPLICAS),
                1 => match rng.below(7) {
                    0 => world.refuse(&asked, ErrorCode::NOT_LEADER_OR_FOLLOWER),
                    1 => world.refuse(&asked, ErrorCode::MESSAGE_TOO_LARGE),
                    2 => world.refuse(&asked, ErrorCode::INVALID_RECORD),
                    3 => world.hang_up(asked.conn),
                    4 => {
                        let _ = log.append(&asked);
                        world.hang_up(asked.conn);
                    }
                    5 => match log.append(&asked) {
                        Ok(_) => world.refuse(&asked, ErrorCode::REQUEST_TIMED_OUT),
                        Err(code) => world.refuse(&asked, code),
                    },
                    _ => world.pass_ms(2_000),
                },
                _ => match log.append(&asked) {
                    Ok(offset) => world.accept(&asked, offset),
                    Err(code) => world.refuse(&asked, code),
                },
            }
        }
        let order: Vec<&str> = log.values.iter().map(|value| &value[..5]).collect();
        let wrong: Vec<_> = order.windows(2).filter(|pair| pair[0] >= pair[1]).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
        for (value, delivery) in &deliveries {
            let at = log.values.iter().position(|written| written == value).map(|at| at as i64);
            match delivery.outcome().unwrap() {
                Ok(written) => assert_eq!((at.is_some(), written.offset), (true, at), "seed {seed}: {value}"),
                Err(WriteError { fate: Fate::Unknown, .. }) => {}
                Err(error) => assert_eq!(at, None, "seed {seed}: {value}: {error:?}"),
            }
        }
        world.pass_ms(60_000);
        for asked in produces(&mut world) {
            world.accept(&asked, 0);
        }
        assert_eq!(world.budget.used(), 0, "seed {seed}");
    }
}

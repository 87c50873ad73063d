//! A bug that the simulator finds: an order is written twice, because a write of unknown fate is tried again as if it had
//! failed.
//!
//! ```text
//! cargo run --example simulated_double_order
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use milena_conformance::sim::{self, Failure, FaultPlan, Options, Random, World};
use milena_core::{Client, Fate, ReaderConfig, Record, Until, WriteError, Writer, WriterConfig};

/// Takes an order, however often it has to try. Neither tokio nor the simulator is named here: what to do between two
/// tries, sleep and log, comes in.
///
/// The bug: an error is not always a record that was not written. The client tries again by itself and numbers its
/// records, so that it never doubles one; a second `write` is a second record.
async fn take_order_and_insist(
    writer: &Writer,
    order: &str,
    pause: impl AsyncFn(WriteError),
) -> Result<(), WriteError> {
    while let Err(error) = writer.write(Record::new(order)).await {
        pause(error).await;
    }
    Ok(())
}

/// The fix: only what is surely not in the log is tried again. What may be in it the caller hears, and tells the
/// customer that the order is being looked into.
async fn take_order(writer: &Writer, order: &str, pause: impl AsyncFn(WriteError)) -> Result<(), WriteError> {
    loop {
        match writer.write(Record::new(order)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.fate == Fate::Unknown => return Err(error),
            Err(error) => pause(error).await,
        }
    }
}

/// Between two tries; in production this would be `warn!` and `tokio::time::sleep`.
async fn pause(world: &World, error: WriteError) {
    world.note(format!("once more: {error}"));
    world.sleep(Duration::from_millis(100)).await;
}

/// A day at the shop: twenty orders, on a network that now and then holds something up for longer than a write may take.
async fn day(
    world: World,
    take_order: impl AsyncFn(&Writer, &str, &World) -> Result<(), WriteError>,
) -> Result<(), Box<dyn Error>> {
    let client = world.client(world.config(), 0)?;
    let mut config = WriterConfig::new("orders");
    config.delivery_timeout = Duration::from_secs(3);
    let writer = client.writer(config)?;
    let mut random = Random::new(world.draw());
    for number in 1..=20 {
        world.sleep(random.duration(Duration::ZERO, Duration::from_secs(1))).await;
        let order = format!("order {number}");
        match take_order(&writer, &order, &world).await {
            Ok(()) => world.note(format!("{order} is confirmed")),
            Err(error) => world.note(format!("{order} is being looked into: {error}")),
        }
    }
    // What was held up may still arrive.
    world.sleep(Duration::from_secs(60)).await;

    let mut found = BTreeMap::new();
    for order in orders(&client).await? {
        *found.entry(order).or_insert(0) += 1;
    }
    match found.iter().find(|(_, times)| **times > 1) {
        Some((order, times)) => Err(format!("{order} was written {times} times").into()),
        None => Ok(()),
    }
}

/// All orders there are.
async fn orders(client: &Client) -> Result<Vec<String>, Box<dyn Error>> {
    let mut config = ReaderConfig::new("orders");
    config.until = Until::End;
    let mut reader = client.reader(config)?;
    let mut orders = Vec::new();
    while let Some(message) = reader.next().await {
        orders.push(String::from_utf8(message?.value.unwrap_or_default().into())?);
    }
    Ok(orders)
}

/// The first seed that doubles an order.
pub(crate) fn find_the_bug() -> Option<Failure> {
    sim::find(0..1_000, options, async |world| {
        let take = async |writer: &Writer, order: &str, world: &World| {
            take_order_and_insist(writer, order, async |error| pause(world, error).await).await
        };
        day(world, take).await
    })
}

/// No seed doubles one.
pub(crate) fn check_the_fix() {
    sim::check(0..200, options, async |world| {
        let take = async |writer: &Writer, order: &str, world: &World| {
            take_order(writer, order, async |error| pause(world, error).await).await
        };
        day(world, take).await
    });
}

fn options(seed: u64) -> Options {
    Options {
        stalls: 200,
        longest_stall: Duration::from_secs(10),
        faults: FaultPlan::default(),
        trace_entries: 20,
        ..Options::draw(seed, "orders", 3)
    }
}

fn main() -> ExitCode {
    let Some(failure) = find_the_bug() else {
        println!("the bug was not found");
        return ExitCode::FAILURE;
    };
    println!("{failure}");
    check_the_fix();
    println!("With the fix no seed fails.");
    ExitCode::SUCCESS
}

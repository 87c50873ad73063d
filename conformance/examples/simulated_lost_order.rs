//! A bug that the simulator finds: an order is confirmed to the customer and lost, because its delivery was not awaited.
//!
//! ```text
//! cargo run --example simulated_lost_order
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use milena_conformance::sim::{self, Failure, Fault, FaultPlan, Options, Random, World};
use milena_core::protocol::BrokerId;
use milena_core::{Client, ReaderConfig, Record, Until, WriteError, Writer, WriterConfig};

/// Takes an order: when it returns, the customer reads "thank you".
///
/// The bug: `enqueue` only puts the record into the writer's buffer. What becomes of it the delivery would tell.
async fn take_order_and_hope(writer: &Writer, order: &str) -> Result<(), WriteError> {
    let _delivery = writer.enqueue(Record::new(order)).await?;
    Ok(())
}

/// The fix: `write` waits until the brokers have it.
async fn take_order(writer: &Writer, order: &str) -> Result<(), WriteError> {
    writer.write(Record::new(order)).await?;
    Ok(())
}

/// A day at the shop: twenty orders, while the brokers are away for a moment.
async fn day(
    world: World,
    take_order: impl AsyncFn(&Writer, &str) -> Result<(), WriteError>,
) -> Result<(), Box<dyn Error>> {
    let client = world.client(world.config(), 0)?;
    let mut config = WriterConfig::new("orders");
    config.delivery_timeout = Duration::from_secs(5);
    let writer = client.writer(config)?;
    let mut confirmed = BTreeSet::new();
    let mut random = Random::new(world.draw());
    for number in 1..=20 {
        world.sleep(random.duration(Duration::ZERO, Duration::from_secs(1))).await;
        let order = format!("order {number}");
        match take_order(&writer, &order).await {
            Ok(()) => {
                world.note(format!("{order} is confirmed"));
                confirmed.insert(order);
            }
            Err(error) => world.note(format!("{order} is declined: {error}")),
        }
    }
    writer.close().await;
    world.heal();

    for order in orders(&client).await? {
        confirmed.remove(&order);
    }
    match confirmed.first() {
        Some(order) => Err(format!("{order} was confirmed and is lost").into()),
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

/// The first seed that loses an order.
pub(crate) fn find_the_bug() -> Option<Failure> {
    sim::find(0..1_000, options, async |world| day(world, take_order_and_hope).await)
}

/// No seed loses one.
pub(crate) fn check_the_fix() {
    sim::check(0..200, options, async |world| day(world, take_order).await);
}

/// Some time during the day all brokers are down, for up to ten seconds.
fn options(seed: u64) -> Options {
    let mut random = Random::new(seed);
    let from = random.duration(Duration::ZERO, Duration::from_secs(10));
    let until = from + random.duration(Duration::from_secs(1), Duration::from_secs(10));
    let crash = |plan: FaultPlan, broker| {
        plan.between(from..until, Fault::Crash { broker: BrokerId(broker), lose_page_cache: false })
    };
    let faults = (1..=3).fold(FaultPlan::default(), crash);
    Options { faults, trace_entries: 20, ..Options::draw(seed, "orders", 3) }
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

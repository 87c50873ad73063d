//! A bug that the simulator finds: a record is never processed, because its progress was saved first and the process
//! was killed in between.
//!
//! ```text
//! cargo run --example simulated_lost_progress
//! ```

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milena_conformance::sim::{self, Failure, Fault, Options, Random, World};
use milena_core::{Error, Message, ReaderConfig, Record, Start, WriterConfig};

const ORDERS: usize = 20;

/// What is there still when the process is not: the progress file, and the parcels sent.
#[derive(Default)]
struct Disk {
    progress: i64,
    sent: Vec<String>,
}

/// Sends the parcel of an order, which takes its time.
async fn send_parcel(world: &World, disk: &Mutex<Disk>, message: &Message) {
    world.sleep(Duration::from_millis(world.draw() % 100)).await;
    let order = String::from_utf8_lossy(message.value.as_deref().unwrap_or_default()).into_owned();
    world.note(format!("the parcel of {order} is sent"));
    disk.lock().unwrap().sent.push(order);
}

/// When the progress is saved.
#[derive(Clone, Copy)]
enum Save {
    /// The bug: killed before the parcel is sent, the next process goes on behind it.
    First,
    /// The fix: killed before the progress is saved, the next process sends it again, which a customer survives.
    Last,
}

/// The process: from where the one before it stopped, order by order.
async fn process(world: World, disk: Arc<Mutex<Disk>>, save: Save) -> Result<(), Error> {
    let client = world.client(world.config(), 0)?;
    let mut config = ReaderConfig::new("orders");
    config.start = Start::Offset(disk.lock().unwrap().progress);
    let mut reader = client.reader(config)?;
    while let Some(message) = reader.next().await {
        let message = message?;
        let next = message.offset + 1;
        if let Save::First = save {
            disk.lock().unwrap().progress = next;
        }
        send_parcel(&world, &disk, &message).await;
        disk.lock().unwrap().progress = next;
    }
    Ok(())
}

/// Twenty orders, and a process that is killed again and again.
async fn day(world: World, save: Save) -> Result<(), Box<dyn std::error::Error>> {
    let client = world.client(world.config(), 0)?;
    let writer = client.writer(WriterConfig::new("orders"))?;
    for number in 1..=ORDERS {
        writer.write(Record::new(&format!("order {number}"))).await?;
    }
    let disk = Arc::new(Mutex::new(Disk::default()));
    let mut random = Random::new(world.draw());
    while disk.lock().unwrap().progress < ORDERS as i64 {
        let own = world.process();
        let process = own.spawn(process(own.clone(), disk.clone(), save));
        let life = random.duration(Duration::from_millis(50), Duration::from_secs(5));
        if let Some(ended) = world.timeout(life, process).await {
            return Err(format!("the process ended: {ended:?}").into());
        }
        // It is gone, with its clients, as after `kill -9`.
        world.fault(Fault::Kill { process: own.id(), machine: false })?;
    }
    let disk = disk.lock().unwrap();
    let missing =
        (1..=ORDERS).map(|number| format!("order {number}")).find(|order| !disk.sent.contains(order));
    match missing {
        Some(order) => Err(format!("the parcel of {order} is never sent").into()),
        None => Ok(()),
    }
}

/// The first seed that forgets a parcel.
pub(crate) fn find_the_bug() -> Option<Failure> {
    sim::find(0..1_000, options, async |world| day(world, Save::First).await)
}

/// No seed forgets one.
pub(crate) fn check_the_fix() {
    sim::check(0..200, options, async |world| day(world, Save::Last).await);
}

fn options(seed: u64) -> Options {
    Options { trace_entries: 20, ..Options::draw(seed, "orders", 1) }
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

//! Handles on another runtime than their client's.

use std::time::Duration;

use milena_core::{Client, Record, WriterConfig};

use crate::{cluster, config, there_and_back, within};

fn assert_send_sync<T: Send + Sync>() {}

#[test]
fn handles_go_to_any_thread() {
    assert_send_sync::<milena_core::Client>();
    assert_send_sync::<milena_core::Writer>();
    assert_send_sync::<milena_core::Reader>();
    assert_send_sync::<milena_core::Delivery>();
    assert_send_sync::<milena_blocking::Client>();
    assert_send_sync::<milena_blocking::Writer>();
    assert_send_sync::<milena_blocking::Reader>();
    assert_send_sync::<milena_blocking::Delivery>();
}

/// Clients of all async runtimes, each used on every one of them at the same time.
#[test]
fn a_client_serves_tasks_of_every_runtime() {
    within(Duration::from_secs(30), || {
        let cluster = cluster();
        let tokio =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clients: Vec<Client> = vec![
            tokio.block_on(async { milena_tokio::client(config(&cluster)).unwrap() }),
            milena_async_std::smol::client(config(&cluster)).unwrap(),
            milena_async_std::async_std::client(config(&cluster)).unwrap(),
        ];
        for client in &clients {
            tokio.block_on(async { there_and_back(client, "on tokio").await });
            smol::block_on(there_and_back(client, "on smol"));
            async_std::task::block_on(there_and_back(client, "on async-std"));
            futures_on_no_runtime(client);
        }
        let (_, end) = cluster.offsets("t", 0).unwrap();
        assert_eq!(end, 12);
    });
}

/// A thread that has no runtime at all.
fn futures_on_no_runtime(client: &Client) {
    let writer = client.writer(WriterConfig::new("t")).unwrap();
    let written = smol::future::block_on(writer.write(Record::new("on none")));
    assert!(written.unwrap().offset.is_some());
}

//! tokio: both flavours, a `LocalSet`, no runtime at all, and runtimes that lack what a client needs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use milena_core::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use crate::{cluster, config, there_and_back, within};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_client_outside_of_a_runtime_is_an_error() {
    let error = milena_tokio::client(milena_core::Config::new("127.0.0.1:1").unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Runtime { .. }), "{error:?}");
    assert!(error.to_string().starts_with("no client can run here: there is no reactor running"), "{error}");
}

/// The panic's message.
fn panics(runtime: &Runtime) -> String {
    let config = milena_core::Config::new("127.0.0.1:1").unwrap();
    let call = || runtime.block_on(async { milena_tokio::client(config) });
    let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap()
}

#[test]
fn a_runtime_without_time_is_named_where_the_client_is_made() {
    let message = panics(&Builder::new_current_thread().enable_io().build().unwrap());
    assert!(message.contains("timers are disabled"), "{message}");
}

#[test]
fn a_runtime_without_io_is_named_where_the_client_is_made() {
    let message = panics(&Builder::new_current_thread().enable_time().build().unwrap());
    assert!(message.contains("IO is disabled"), "{message}");
}

#[test]
fn both_flavours_serve_a_client() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let multi = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for runtime in [current_thread(), multi] {
            let read = runtime.block_on(async {
                let client = milena_tokio::connect(config(&cluster)).await.unwrap();
                there_and_back(&client, "v").await
            });
            assert_eq!(read, "v");
        }
    });
}

#[test]
fn a_local_set_serves_a_client() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let local = LocalSet::new();
        let read = local.block_on(&current_thread(), async {
            let client = milena_tokio::connect(config(&cluster)).await.unwrap();
            // What is not `Send` may use it there.
            let shared = std::rc::Rc::new(client);
            tokio::task::spawn_local(async move { there_and_back(&shared, "v").await }).await.unwrap()
        });
        assert_eq!(read, "v");
    });
}

/// A current-thread runtime does nothing outside of `block_on`; what was under way goes on in the next one.
#[test]
fn a_client_waits_for_its_runtime_to_go_on() {
    within(Duration::from_secs(20), || {
        let cluster = cluster();
        let runtime = current_thread();
        let client = runtime.block_on(milena_tokio::connect(config(&cluster))).unwrap();
        let writer = client.writer(milena_core::WriterConfig::new("t")).unwrap();
        let delivery = runtime.block_on(writer.enqueue(milena_core::Record::new("v"))).unwrap();
        assert_eq!(runtime.block_on(delivery).unwrap().offset, Some(0));
        assert_eq!(runtime.block_on(there_and_back(&client, "w")), "w");
    });
}

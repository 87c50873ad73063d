//! Every scenario on every runtime on every kind of cluster; see `milena_conformance::suite`.

use std::process::ExitCode;

use milena_conformance::suite::{Adapter, Suite};

#[allow(dead_code, unreachable_pub, reason = "an example is a program of its own")]
#[path = "../examples/own_runtime.rs"]
mod own_runtime;

fn main() -> ExitCode {
    let mut adapters = Adapter::all();
    adapters.push(own_runtime::adapter());
    Suite::new(adapters).simulator().kafka("4.3.1").kafka("2.8.2").main()
}

//! Every scenario on every runtime on every kind of cluster; see `milena_conformance::suite`.

use std::process::ExitCode;

use milena_conformance::suite::{Adapter, Suite};

fn main() -> ExitCode {
    Suite::new(Adapter::all()).simulator().kafka("4.3.1").kafka("2.8.2").main()
}

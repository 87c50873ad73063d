//! Milena's fuzz targets under libFuzzer. What they check is in `milena_conformance::fuzz`.
//!
//! `./fuzz.sh TARGET SECONDS` makes the seed corpus from the vectors and runs a target.

#[doc(hidden)]
pub use {libfuzzer_sys, milena_conformance, stats_alloc};

/// A target by its name, with every allocation counted.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: &$crate::stats_alloc::StatsAlloc<std::alloc::System> =
            &$crate::stats_alloc::INSTRUMENTED_SYSTEM;

        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            let target = $crate::milena_conformance::fuzz::target($name).expect("a target of that name");
            let meter = || ALLOCATOR.stats().bytes_allocated as u64;
            (target.run)(data, $crate::milena_conformance::fuzz::Meter(meter));
        });
    };
}

#!/usr/bin/env bash
# Runs a fuzz target (or all of them) for so many seconds, from a seed corpus made of the vectors.
# Usage: fuzz.sh [TARGET|all] [SECONDS]      needs: rustup toolchain nightly, cargo install cargo-fuzz
set -euo pipefail
cd "$(dirname "$0")"
targets=${1:-all}
seconds=${2:-300}
[ "$targets" = all ] && targets="messages records framer tagged_fields consumer_protocol sasl machine recording"
for target in $targets; do
  mkdir -p "corpus/$target"
  cargo run --quiet --release --manifest-path ../Cargo.toml -p milena-conformance -- fuzz seeds "$target" "corpus/$target"
  # A step of the machine takes a few bytes, and each costs more than a whole message of the other targets.
  longest=65536
  [ "$target" = machine ] && longest=512
  cargo +nightly fuzz run "$target" --fuzz-dir . -- -max_total_time="$seconds" -print_final_stats=1 -max_len="$longest" -timeout=20
done

#!/usr/bin/env bash
# cargo calls this in place of rustc for the crates of this workspace: it adds the coverage counters that libFuzzer steers
# by, the same flags as cargo-fuzz. All of them are stable. Dependencies stay as they are and are shared with the tests'
# build; the address sanitizer is left out because the code under test is safe Rust, and it would need all of it built anew.
exec "$@" --cfg fuzzing \
  -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares

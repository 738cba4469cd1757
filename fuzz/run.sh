#!/usr/bin/env bash
# fuzz/run.sh SECONDS [TARGET]: first every kept input, then that many seconds of new ones for each target.
# An input that crashes a target is written to fuzz/corpus/TARGET/crash-…: commit it with the fix, and it stays a test.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
only=${2:-}

RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrument.sh" \
  cargo build --quiet --package crescendo-fuzz --bins || exit 1

failed=0
for source in fuzz/targets/*.rs; do
  target=$(basename "$source" .rs)
  [ -z "$only" ] || [ "$only" = "$target" ] || continue
  found=target/fuzz/$target
  mkdir -p "$found"
  log=target/fuzz/$target.log
  # What is found goes to the first directory; the seeds are only read. 8 KiB is more than any packet and most answers.
  if "target/debug/fuzz-$target" "$found" "fuzz/corpus/$target" -artifact_prefix="fuzz/corpus/$target/" \
      -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1; then
    echo "fuzz $target ok: $(sed -n 's/^stat::number_of_executed_units: */executions /p' "$log")"
  else
    tail -40 "$log"
    echo "fuzz $target FAILED"
    failed=1
  fi
done
exit $failed

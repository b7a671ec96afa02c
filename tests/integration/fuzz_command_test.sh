#!/usr/bin/env bash
# tapedeck fuzz and tapedeck repro as a user runs them: one input in all its forms; a campaign of some seconds that is ended by
# Ctrl-C and goes on, where a target is built for an engine.
#
#   tests/integration/fuzz_command_test.sh TAPEDECK
#
# Exit codes: 0 held, 1 not so, 77 skipped: all that could be tested held, but no target is built for an engine.
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
tapedeck=$(readlink -f -- "${1:-$root/build/release/bin/tapedeck}")
readonly root tapedeck kInput=corpus/regress/stack/empty_frame_memcpy_null
cd "$root"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "FAILED: $1" >&2
  exit 1
}

# expect STATUS COMMAND...: its exit code; what it prints is in $scratch/out.
expect() {
  local wanted=$1 status=0
  shift
  "$@" >"$scratch/out" 2>&1 </dev/null || status=$?
  if ((status != wanted)); then
    tail -n 20 "$scratch/out" >&2
    fail "exit code $status, not $wanted: $*"
  fi
}

# An input, its script and its archive are the same run.
test_forms() {
  local digest form
  expect 0 "$tapedeck" repro "$kInput" --archive "$scratch/archive" --pkt "$scratch/input.pkt" --events 0
  grep -q '10 of 10 runs equal' "$scratch/out" || fail "runs differ: $(cat "$scratch/out")"
  digest=$(sed -n 's/.*digest \([0-9a-f]*\),.*/\1/p' "$scratch/out")
  for form in "$scratch/archive" "$scratch/input.pkt" "$scratch/archive/input"; do
    expect 0 "$tapedeck" repro "$form" --target stack --runs 2 --events 0
    grep -q "digest $digest" "$scratch/out" || fail "$form is another run: $(cat "$scratch/out")"
  done
  expect 0 "$tapedeck" repro "$scratch/archive" --runs 1 --events 0
  [[ -s $scratch/archive/run.pcapng && -s $scratch/archive/trace.txt ]] || fail "the archive is not whole"
}

test_words() {
  expect 0 "$tapedeck" fuzz explain "$kInput"
  grep -q 'verdict  it holds' "$scratch/out" || fail "no verdict"
  expect 0 "$tapedeck" fuzz to-test "$kInput" --gtest "$scratch/input_test.cc" --pcapng "$scratch/run.pcapng"
  grep -q 'TEST(StackInput, Input)' "$scratch/input_test.cc" || fail "no test"
  expect 2 "$tapedeck" fuzz min "$kInput" -o "$scratch/min"
  grep -q 'it holds' "$scratch/out" || fail "what holds cannot be made small"
  expect 2 "$tapedeck" fuzz explain "$kInput" --target nothing
  expect 2 "$tapedeck" repro /nonexistent --target stack
  expect 0 "$tapedeck" fuzz dedupe --target stack corpus/regress/stack
  expect 0 "$tapedeck" fuzz digests --target stack -o "$scratch/digests" corpus/regress/stack
  expect 0 "$tapedeck" fuzz digests --target stack --against "$scratch/digests" corpus/regress/stack
  sed 's/ .*/ 0123456789abcdef/' "$scratch/digests" >"$scratch/others"
  expect 1 "$tapedeck" fuzz digests --target stack --against "$scratch/others" corpus/regress/stack
  expect 0 "$tapedeck" fuzz from-pcap -o "$scratch/seeds" corpus/captures/*.pcap
  [[ -n $(ls "$scratch/seeds") ]] || fail "no inputs of captures"
}

# inputs: how many are kept. libFuzzer replaces one by a smaller one that reaches the same.
inputs() { find "$scratch/found/corpus" -type f | wc -l; }

# Ctrl-C after some seconds, then on from there.
test_campaign() {
  local pid before status=0
  "$tapedeck" fuzz run stack -o "$scratch/found" >"$scratch/run" 2>&1 </dev/null &
  pid=$!
  for ((i = 0; i < 240; ++i)); do
    if [[ -d $scratch/found/corpus && $(inputs) -gt 3 ]]; then break; fi
    sleep 0.5
  done
  kill -INT "$pid"
  wait "$pid" || status=$?
  ((status <= 1)) || fail "ended with $status: $(cat "$scratch/run")"
  if pgrep -P "$pid" >/dev/null; then fail "an engine is left"; fi
  before=$(inputs)
  ((before > 0)) || fail "nothing was found: $(cat "$scratch/run")"
  status=0
  "$tapedeck" fuzz run stack --time 3s -o "$scratch/found" >"$scratch/run" 2>&1 </dev/null || status=$?
  ((status <= 1)) || fail "did not go on: $(cat "$scratch/run")"
  (($(inputs) >= before)) || fail "inputs were lost: $(inputs) of $before are left"
  status=0
  "$tapedeck" fuzz report -o "$scratch/report.html" "$scratch/found" >"$scratch/out" 2>&1 || status=$?
  ((status <= 1)) || fail "no report: $(cat "$scratch/out")"
  echo "campaign: $(head -n 1 "$scratch/run")"
}

[[ -x $(dirname "$tapedeck")/stack_replayer ]] || {
  echo "skipped: stack_replayer is not built beside tapedeck"
  exit 77
}
test_forms
test_words
if [[ ! -x build/fuzz-libfuzzer/bin/stack_fuzzer && ! -x build/asan/bin/stack_fuzzer ]]; then
  echo "skipped: no fuzz target is built for libFuzzer (cmake --preset fuzz-libfuzzer)"
  exit 77
fi
test_campaign
echo "PASSED"

#!/bin/sh
# Every file that a run writes, on a disk that is full: the command says so, ends with 2, and leaves
# nothing under the file's name. The disk is a tmpfs in a mount namespace of its own.
# Usage: full_disk_test.sh TAPEDECK. Exit codes: 0 held, 1 not, 77 skipped.
set -u

if [ "${2:-}" != inside ]; then
  unshare -m true 2>/dev/null || { echo "skipped: no mount namespace without root"; exit 77; }
  exec unshare -m sh "$0" "$1" inside
fi

tapedeck=$1
mount --make-rprivate / 2>/dev/null
work=$(mktemp -d) || exit 1
trap 'umount "$work/full" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/full"
mount -t tmpfs -o size=4k tmpfs "$work/full" || { echo "skipped: no tmpfs here"; exit 77; }

capture=corpus/captures/web-browsing.pcap
[ -e "$capture" ] || capture=$(find corpus/captures -name '*.pcap*' -size +32k | sort | head -n 1)
failed=0

# refused COMMAND...: the command fails for want of room, and nothing is left of what it wrote.
refused() {
  "$@" > "$work/out" 2>&1
  code=$?
  if [ $code -ne 2 ]; then
    echo "FAILED: $*: exit code $code, expected 2"
    tail -n 3 "$work/out"
    failed=1
  fi
  if ! grep -q "No space left on device" "$work/out"; then
    echo "FAILED: $*: does not say that the disk is full"
    tail -n 3 "$work/out"
    failed=1
  fi
  left=$(find "$work/full" -mindepth 1 -printf '%P ')
  if [ -n "$left" ]; then
    echo "FAILED: $*: leaves $left"
    rm -rf "$work/full"/* "$work/full"/.[!.]*
    failed=1
  fi
}

refused "$tapedeck" replay --out "$work/full/out.pcapng" "$capture"
refused "$tapedeck" replay --mode raw --out "$work/full/raw.pcapng" "$capture"
refused "$tapedeck" replay --report "$work/full/report.html" "$capture"
refused "$tapedeck" replay --timeline "$work/full/time.json" "$capture"
refused "$tapedeck" replay --ladder "$work/full/ladder.txt" "$capture"
refused "$tapedeck" replay --xplot "$work/full/graph" "$capture"
refused "$tapedeck" replay --mode raw --chain "$work/full/chain" "$capture"
refused "$tapedeck" replay --plan-out "$work/full/a.plan" "$capture"
refused "$tapedeck" convert "$capture" "$work/full/a.pcapng"
refused "$tapedeck" merge "$work/full/all.pcapng" "$capture" "$capture"
refused "$tapedeck" regress --junit "$work/full/results.xml" corpus/captures
mkdir "$work/suite"
cp "$capture" "$work/suite"
refused "$tapedeck" regress --update --reason new --goldens "$work/full" "$work/suite"
# What goes to the standard output.
"$tapedeck" replay --json --mode raw "$capture" > /dev/full 2> "$work/out"
code=$?
if [ $code -ne 2 ] || ! grep -q "standard output: No space left on device" "$work/out"; then
  echo "FAILED: replay --json > /dev/full: exit code $code, expected 2 and the reason"
  failed=1
fi
exit $failed

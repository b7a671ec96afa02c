#!/bin/sh
# gdb for real: `debug --gdb` stops within the code that tells of the event, and shows who told of it.
# Usage: gdb_test.sh TAPEDECK. Exit codes: 0 held, 1 not, 77 skipped.
set -u

tapedeck=$1
capture=corpus/captures/ping4-b.pcap
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

command -v gdb > /dev/null || { echo "skipped: gdb is not installed"; exit 77; }
# The first datagram that somebody gets.
event=$("$tapedeck" replay --mode raw -vv "$capture" | awk '$4 == "recv" && /ICMP/ { print $1; exit }')
[ -n "$event" ] || { echo "FAILED: the trace of $capture has no delivery"; exit 1; }

# shellcheck disable=SC2016 # the debugger's register
timeout 100 "$tapedeck" debug "$capture" --gdb "$event" --command 'print (long)$rdi' --command backtrace \
  > "$out" 2>&1 < /dev/null
code=$?
if grep -q -i "ptrace: \|not permitted" "$out"; then
  echo "skipped: gdb may not trace here: $(grep -i -m 1 'ptrace: \|not permitted' "$out")"
  exit 77
fi
failed=0
# wanted PATTERN WHAT
wanted() {
  grep -q -e "$1" "$out" || { echo "FAILED: $2"; failed=1; }
}
[ $code -eq 0 ] || { echo "FAILED: exit code $code"; failed=1; }
wanted 'Breakpoint 1, .*tapedeck_event_reached' 'gdb does not stop'
wanted "= $event\$" "gdb stops at another event than $event"
wanted 'ip_local_deliver\|icmp_rcv\|ip_rcv\|netif_receive_skb' 'the stack is not below the event'
if grep -q 'no frame of the stack' "$out"; then
  echo "FAILED: tapedeck-up finds no frame"
  failed=1
fi
[ $failed -eq 0 ] || cat "$out"
exit $failed

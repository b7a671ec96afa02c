#!/bin/sh
# The command holds no instruction that reads a processor's clock or its random numbers: nothing can come
# of them, and a recording by rr has none to trap or to mask.
# Usage: clock_instructions_test.sh TAPEDECK. Exit codes: 0 held, 1 not, 77 skipped.
set -u

command -v objdump > /dev/null || { echo "skipped: objdump is not installed"; exit 77; }
case $(uname -m) in
  x86_64) ;;
  *) echo "skipped: the instructions of x86-64 are looked for"; exit 77 ;;
esac
if nm "$1" 2> /dev/null | grep -q "__asan_init\|__llvm_profile_runtime\|__sanitizer_cov"; then
  echo "skipped: the runtime of a sanitizer has clocks of its own"
  exit 77
fi
found=$(objdump -d --no-show-raw-insn "$1" |
  awk '/^[0-9a-f]+ </ { name = $2 } $2 ~ /^(rdtscp?|rdrand|rdseed)$/ { print $2 " in " name }')
[ -z "$found" ] && exit 0
echo "FAILED: $1 has"
echo "$found"
exit 1

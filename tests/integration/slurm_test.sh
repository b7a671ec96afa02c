#!/usr/bin/env bash
# The job files of fuzz/slurm on a Slurm of one machine, which this starts and ends: two workers share a corpus, one is killed
# and goes on with nothing lost, the merge job compares what they came to; and a regression run in three parts.
#
#   tests/integration/slurm_test.sh TAPEDECK
#
# Exit codes: 0 held, 1 not so, 77 skipped: Slurm, or a fuzz target built for an engine, is missing.
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
TAPEDECK=$(readlink -f -- "${1:-$root/build/release/bin/tapedeck}")
export TAPEDECK
readonly root kTarget=stack kSeconds=20 kParts=3

skip() {
  echo "skipped: $1"
  exit 77
}

fail() {
  echo "FAILED: $1" >&2
  tail -n 20 "$scratch"/*.log "$scratch"/out/log/* >&2 2>/dev/null || true
  exit 1
}

for program in slurmctld slurmd sbatch squeue scontrol; do
  command -v "$program" >/dev/null || skip "$program is missing (Debian: slurm-wlm)"
done
engine=
if [[ -x $root/build/fuzz-libfuzzer/bin/${kTarget}_fuzzer || -x $root/build/asan/bin/${kTarget}_fuzzer ]]; then engine=libfuzzer; fi
if [[ -x $root/build/fuzz-afl/bin/${kTarget}_fuzzer ]] && command -v afl-fuzz >/dev/null; then
  engine=${engine:+both}
  engine=${engine:-afl}
fi
[[ -n $engine ]] || skip "no fuzz target is built for an engine (cmake --preset fuzz-libfuzzer)"
# The merge job needs libFuzzer.
[[ $engine != afl ]] || skip "${kTarget}_fuzzer is not built for libFuzzer"

scratch=$(mktemp -d)
daemons=()
finish() {
  local pid
  if [[ -n ${SLURM_CONF:-} ]]; then scancel --user="$(id -un)" 2>/dev/null || true; fi
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

# A Slurm of our own: no authentication, no accounting, all of it in the scratch folder.
start_slurm() {
  local port=$((20000 + RANDOM % 20000))
  export SLURM_CONF=$scratch/slurm.conf
  mkdir -p "$scratch/state" "$scratch/spool"
  cat >"$SLURM_CONF" <<CONF
ClusterName=tapedeck
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=5
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  slurmctld -D >"$scratch/ctld.out" 2>&1 &
  daemons+=($!)
  slurmd -D >"$scratch/slurmd.out" 2>&1 &
  daemons+=($!)
  for ((i = 0; i < 60; ++i)); do
    if sinfo -h -o %T 2>/dev/null | grep -q idle; then return; fi
    sleep 0.5
  done
  sinfo || true
  fail "no node became idle"
}

# inputs OUT: how many are kept. libFuzzer replaces one by a smaller one that reaches the same.
inputs() { find "$1/corpus" -type f 2>/dev/null | wc -l; }

# wait_for_jobs SECONDS: until none is left.
wait_for_jobs() {
  for ((i = 0; i < $1; ++i)); do
    if [[ -z $(squeue -h 2>/dev/null) ]]; then return; fi
    sleep 1
  done
  squeue
  fail "jobs did not end within $1 s"
}

test_fuzz() {
  local out=$scratch/out ids array before
  ids=$("$root/fuzz/slurm/submit" fuzz "$kTarget" "$out" 2 "${kSeconds}s" "$engine")
  array=${ids% *}
  echo "submitted: $ids ($engine)"
  for ((i = 0; i < 60; ++i)); do
    if [[ $(inputs "$out") -gt 5 && -d $out/jobs/1-libfuzzer-0 ]]; then break; fi
    sleep 0.5
  done
  before=$(inputs "$out")
  ((before > 0)) || fail "the workers found nothing"
  # Killed without a word, as a machine that goes away would.
  scontrol requeue "${array}_1"
  # A job that was requeued waits for two minutes, lest what broke it is still there; not so here.
  for ((i = 0; i < 60; ++i)); do
    if [[ $(squeue -h -j "${array}_1" -o '%t %r') == "PD BeginTime" ]]; then
      scontrol update JobId="${array}_1" StartTime=now
      break
    fi
    sleep 0.5
  done
  wait_for_jobs 300
  (($(inputs "$out") >= before)) || fail "inputs were lost: $(inputs "$out") of $before are left"
  [[ -s $out/digests/0 && -s $out/digests/1 ]] || fail "a worker did not write its digests"
  [[ ! -s $out/alarms.txt ]] || fail "digests differ: $(head "$out/alarms.txt")"
  [[ $(find "$out/merged" -type f | wc -l) -gt 0 ]] || fail "nothing was merged"
  [[ -s $out/report.html ]] || fail "there is no report"
  echo "fuzz: $(wc -l <"$out/digests.merged") inputs agree, $(find "$out/merged" -type f | wc -l) merged," \
    "$(find "$out/crashes" -maxdepth 1 -type f | wc -l) crashes, worker 1 began $(grep -c . "$out/progress-1.jsonl") samples"
}

test_regress() {
  local out=$scratch/regress ids cases
  ids=$("$root/fuzz/slurm/submit" regress corpus/scripts "$out" "$kParts")
  echo "submitted: $ids"
  wait_for_jobs 120
  cases=$("$TAPEDECK" regress --list corpus/scripts | wc -l)
  [[ $(wc -l <"$out/cases.jsonl") == "$cases" ]] || fail "not all of $cases cases were played: $(cat "$out/log/sum")"
  grep -q ', 0 failed$' "$out/log/sum" || fail "$(cat "$out/log/sum")"
  echo "regress: $(cat "$out/log/sum")"
}

start_slurm
cd "$root"
test_fuzz
test_regress
echo "PASSED"

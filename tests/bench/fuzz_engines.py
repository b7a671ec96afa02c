"""libFuzzer and afl-fuzz as sources of figures for tools/bench: executions of a target that has nothing to do, and of ours."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path


class ProgramFailed(Exception):
    """A program under measurement ended by itself."""


def pinned(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def copy_of(folder, scratch):
    return Path(shutil.copytree(folder, tempfile.mkdtemp(dir=scratch), dirs_exist_ok=True))


class LibFuzzer:
    """A slice is one run of so many inputs; executions per CPU second of the process. `cases` has for each name its program, the
    longest input, and the folder of its seeds or None."""

    WARM_UP_SECONDS = 3
    # F9: how much of the stack is reached within so many seconds from the seeds.
    REACHED = "fuzz/stack_reached"
    REACHED_SECONDS = 60

    def __init__(self, cases, cpu, scratch):
        self.names = {name: "executions" for name in cases}
        if "fuzz/stack" in cases and shutil.which("llvm-symbolizer"):
            self.names[self.REACHED] = "%"
        self.cases, self.cpu, self.scratch = cases, cpu, scratch
        self.warm = {}

    def run(self, name, *arguments):
        program, length, _ = self.cases[name]
        process = subprocess.Popen([program, f"-max_len={length}", "-seed=1", "-print_final_stats=1", *arguments],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", cwd=self.scratch,
                                   preexec_fn=pinned(self.cpu))
        report = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", report)
        if process.returncode != 0 or executed is None:
            raise ProgramFailed(f"{name}: exit code {process.returncode}: {report.splitlines()[-1:]}")
        return report, int(executed[1]), usage.ru_utime + usage.ru_stime

    def corpus(self, name):
        seeds = self.cases[name][2]
        return tempfile.mkdtemp(dir=self.scratch) if seeds is None else copy_of(seeds, self.scratch)

    def warm_up(self, name):
        """Finds what is quickly found, so that slices measure a fuzzer at work; and how many runs a slice needs."""
        corpus = self.corpus(name)
        runs, cpu_seconds = 1000, 0
        while cpu_seconds < self.WARM_UP_SECONDS:
            runs *= 4
            _, executed, cpu_seconds = self.run(name, f"-runs={runs}", corpus)
        self.warm[name] = corpus, executed / cpu_seconds

    def rate(self, name, seconds):
        if name not in self.warm:
            self.warm_up(name)
        corpus, expected_rate = self.warm[name]
        # An engine takes some milliseconds to start and to read its corpus: its slices are five times as long as others'.
        copy = copy_of(corpus, self.scratch)
        _, executed, cpu_seconds = self.run(name, f"-runs={int(expected_rate * 5 * seconds)}", copy)
        shutil.rmtree(copy)
        return executed / cpu_seconds

    def figure(self, _):
        """Per cent of the instrumented edges of stack and NIC model, after a minute from the seeds."""
        corpus = self.corpus("fuzz/stack")
        self.run("fuzz/stack", f"-max_total_time={self.REACHED_SECONDS}", corpus)
        report, _, _ = self.run("fuzz/stack", "-runs=0", "-print_coverage=1", corpus)
        reached = total = 0
        for line in re.finditer(r"^(?:UN)?COVERED_FUNC: hits: \d+ edges: (\d+)/(\d+) .*?([^ :]+):\d+\s*$", report, re.MULTILINE):
            if re.search(r"(^|/)(stack|nicmodel)/", line[3]):
                reached += int(line[1])
                total += int(line[2])
        if total == 0:
            raise ProgramFailed("no function of the stack is in libFuzzer's report of its coverage")
        return 100 * reached / total

    def close(self):
        pass


class AflFuzz:
    """afl-fuzz and a persistent target, both on one CPU: executions per second of the wall clock, for the target outlives who could
    count its CPU time. Without a custom mutator, as an empty target has none."""

    SECONDS = 3
    UNSTABLE = "afl/stack_unstable"
    UNSTABLE_SECONDS = 20
    INPUT_BYTES = 64

    def __init__(self, programs, seeds, cpu, scratch):
        self.names = {name: "executions" for name in programs}
        if "afl/stack" in programs:
            self.names[self.UNSTABLE] = "%"
        self.programs, self.cpu, self.scratch = programs, cpu, scratch
        self.seeds = Path(tempfile.mkdtemp(dir=scratch))
        (self.seeds / "empty_line").write_bytes(b"\n")
        for seed in seeds.iterdir() if seeds.is_dir() else []:
            if seed.stat().st_size <= self.INPUT_BYTES:
                shutil.copy(seed, self.seeds)

    def run(self, name, seconds):
        out = Path(tempfile.mkdtemp(dir=self.scratch))
        environment = {**os.environ, "AFL_SKIP_CPUFREQ": "1", "AFL_NO_UI": "1", "AFL_NO_AFFINITY": "1",
                       "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1"}
        command = ["afl-fuzz", "-i", self.seeds, "-o", out, "-s", "1", "-G", str(self.INPUT_BYTES), "-V", str(seconds), "--", self.programs[name]]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment,
                              cwd=self.scratch, preexec_fn=pinned(self.cpu), check=False)
        stats = out / "default" / "fuzzer_stats"
        if done.returncode != 0 or not stats.exists():
            raise ProgramFailed(f"{name}: afl-fuzz ended with {done.returncode}: {done.stdout.splitlines()[-1:]}")
        found = dict(re.findall(r"^(\w+)\s*:\s*(.*)$", stats.read_text(), re.MULTILINE))
        shutil.rmtree(out)
        return found

    def wall_rate(self, name, seconds):
        return float(self.run(name, max(self.SECONDS, round(5 * seconds)))["execs_per_sec"])

    def figure(self, _):
        """How much of what it executes afl-fuzz has seen go different ways."""
        return 100 - float(self.run("afl/stack", self.UNSTABLE_SECONDS)["stability"].rstrip("%"))

    def close(self):
        pass

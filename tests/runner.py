# SPDX-License-Identifier: Apache-2.0
"""Builds, runs every suite and tallies single test cases. Started by tests/run, which installs first.

Suites, but for `functional` and `sanitized`, are those of meson.build: each test is a program. A doctest program's own
summary tells how many cases it had; a script may end in a line like ours; any other is one case.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "test-logs"
SKIPPED_BY_EXIT = 77  # as meson and automake have it

# Which build each suite is run from. Sanitizers where memory or threads are the question, speed where traffic is.
SUITES = {
    "functional": "release",
    "sim": "release",
    "checks": "release",
    "unit": "asan",
    "sanitized": "asan",
    "fuzz": "asan",
    "threads": "tsan",
    "campaign": "asan",
}
# The core of the functional suite: what `sanitized` plays on a relay built with sanitizers.
CORE = ["test_scenes.py", "test_crash.py", "test_signals.py"]
PLAYED = {"functional", "sanitized"}  # by pytest, on the relay itself
ONLY_WHEN_NAMED = {"sanitized"}  # two cores have no time left for it; tests/campaign/run has it
SLOWER = {"asan": 4, "tsan": 8}  # than what a test's own limit was set for


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    trouble: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: "Tally"):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.trouble += other.trouble

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class Progress:
    def __init__(self):
        self.began = time.monotonic()

    def say(self, text: str):
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", flush=True)


alive: list[subprocess.Popen] = []  # everything we started, to be ended on Ctrl-C


class Broken(Exception):
    """A step without which nothing further makes sense."""


def run_logged(name: str, command: list, timeout: float | None = None, **options) -> tuple[int, str, Path]:
    """Run with output to a log; the exit status (negative for a signal), the text and the log's path."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name.replace('/', '-')}.log"
    with open(log, "wb") as file:
        process = started(command, stdout=file, **options)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            end_session(process)
            status = -signal.SIGKILL
            file.write(f"\nended after {timeout} s\n".encode())
    return status, log.read_text(errors="replace"), log


def started(command: list, **options) -> subprocess.Popen:
    """A process in a session of its own, so that it can be ended with all it started."""
    process = subprocess.Popen(
        [str(c) for c in command], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True, **options
    )
    alive.append(process)
    return process


def end_everything():
    for process in alive:
        if process.poll() is None:
            end_session(process)


def end_session(process: subprocess.Popen):
    """First politely, so that a test takes its own world down; then all of its process group."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def build(kind: str, targets: list[str], progress: Progress):
    """Through tests/build, which knows how each kind is configured."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"build-{kind}.log"
    shown = time.monotonic()
    with open(log, "w") as file:
        process = started(
            ["nice", ROOT / "tests" / "build", kind, *targets], stdout=subprocess.PIPE, text=True, errors="replace"
        )
        for line in process.stdout:
            file.write(line)
            step = re.match(r"\[(\d+)/(\d+)\]", line)
            if step and time.monotonic() - shown > 30:
                shown = time.monotonic()
                progress.say(f"  build/{kind}: {step[1]} of {step[2]}")
    if process.wait() != 0:
        lines = log.read_text().splitlines()
        errors = [line for line in lines if "error:" in line.lower() or "FAILED" in line] or lines[-1:]
        raise Broken(f"build/{kind} failed, see {log.relative_to(ROOT)}: {' | '.join(errors[:3])}")


def targets_for(kind: str, suites: list[str]) -> list[str]:
    """What ninja must build for these suites, and nothing more: the tests' programs, and the relay."""
    wanted = {d for suite in suites for test in meson_tests(kind, suite) for d in test["depends"]}
    listed = subprocess.run(
        ["meson", "introspect", "--targets", BUILD / kind], capture_output=True, text=True, check=True
    )
    files = [f for t in json.loads(listed.stdout) if t["id"] in wanted for f in t["filename"]]
    return [os.path.relpath(f, BUILD / kind) for f in files] + (["sealpost"] if PLAYED & set(suites) else [])


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"


def meson_tests(kind: str, suite: str) -> list[dict]:
    listed = subprocess.run(
        ["meson", "introspect", "--tests", BUILD / kind], capture_output=True, text=True, check=True
    )
    return [t for t in json.loads(listed.stdout) if suite in {s.rpartition(":")[2] for s in t["suite"]}]


def count_cases(name: str, status: int, text: str, log: Path) -> Tally:
    """Single cases where the program counts them; a program that dies counts as a failure whatever it said."""
    where = f"{name}: see {log.relative_to(ROOT)}"
    doctest = re.findall(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|(?:\s*(\d+) skipped)?", text)
    own = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", text, re.MULTILINE)
    if doctest:
        _, passed, failed, skipped = (int(number or 0) for number in doctest[-1])
    elif own:
        passed, failed, skipped = map(int, own[-1])
    elif status == SKIPPED_BY_EXIT:
        return Tally(skipped=1)
    else:
        passed, failed, skipped = int(status == 0), int(status != 0), 0
    undefined = re.search(r"^.*: runtime error: .*$", text, re.MULTILINE)  # UBSan tells and goes on
    if failed == 0 and (status != 0 or undefined):
        failed = 1
    tally = Tally(passed, failed, skipped)
    if failed:
        reasons = [line for line in text.splitlines() if "ERROR:" in line or "TEST CASE:" in line or "runtime error:" in line]
        tally.trouble.append(f"{where} {' | '.join(reasons[:2]) or f'(exit {status})'}")
    return tally


@functools.cache
def without_random_addresses() -> list[str]:
    """GCC 12's ThreadSanitizer ends at once where newer kernels spread addresses wider than it knows."""
    prefix = ["setarch", "-R"]
    works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    return prefix if works else []


def run_meson_test(kind: str, suite: str, test: dict) -> tuple[str, Tally]:
    name = f"{suite}/{test['name']}"
    timeout = test["timeout"] * SLOWER.get(kind, 1) or None
    command = [*(without_random_addresses() if kind == "tsan" else []), *test["cmd"]]
    status, text, log = run_logged(
        name, command, timeout, cwd=test["workdir"] or BUILD / kind, env={**os.environ, **test["env"]}
    )
    return name, count_cases(name, status, text, log)


def run_meson_suite(suite: str, progress: Progress) -> Tally:
    kind = SUITES[suite]
    total = Tally()
    tests = sorted(meson_tests(kind, suite), key=lambda test: -test["priority"])
    alone = [t for t in tests if not t["is_parallel"]]
    together = [t for t in tests if t["is_parallel"]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, tally in pool.map(lambda t: run_meson_test(kind, suite, t), together):
            progress.say(f"  {name}: {tally}")
            total.add(tally)
    for test in alone:
        name, tally = run_meson_test(kind, suite, test)
        progress.say(f"  {name}: {tally}")
        total.add(tally)
    return total


def run_functional(suite: str, progress: Progress) -> Tally:
    """The whole of tests/functional, or its core, through pytest; single cases from its report."""
    kind = SUITES[suite]
    report = LOGS / f"{suite}.xml"
    report.unlink(missing_ok=True)
    folder = ROOT / "tests" / "functional"
    files = [folder] if suite == "functional" else [folder / name for name in CORE]
    environment = {
        **os.environ,
        "SEALPOST_BINARY": str(BUILD / kind / "sealpost"),
        "PYTHONDONTWRITEBYTECODE": "1",
        # A process that forbids its own tracing cannot be looked through for leaks; unit tests are.
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    if suite == "sanitized":
        environment["SEALPOST_KILLS"] = "10"  # each start takes its time; the whole number is the release's
    # Tests wait more than they work. Each worker has a lab of its own and takes whole files.
    workers = ["-n", str(min(os.cpu_count() + 1, 4)), "--dist", "loadfile"]
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *workers, *files]
    status, text, log = run_logged(suite, command, 40 * 60, cwd=ROOT, env=environment)
    if not report.exists():
        return Tally(failed=1, trouble=[f"{suite}: pytest ended with {status}, see {log.relative_to(ROOT)}: {last_line(text)}"])
    total = Tally()
    by_file: dict[str, Tally] = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        tally = by_file.setdefault(case.get("classname", ""), Tally())
        name = f"{suite}: {case.get('classname')}::{case.get('name')}"
        wrong = [told for told in (case.find("failure"), case.find("error")) if told is not None]
        if wrong:
            tally.add(Tally(failed=1, trouble=[f"{name}: see {log.relative_to(ROOT)}: {first_words(wrong[0])}"]))
        elif (skip := case.find("skipped")) is not None:
            tally.add(Tally(skipped=1))
            progress.say(f"  skipped {name}: {skip.get('message')}")
        else:
            tally.add(Tally(passed=1))
    for name, tally in by_file.items():
        progress.say(f"  {name}: {tally}")
        total.add(tally)
    return total


def first_words(told: xml.etree.ElementTree.Element) -> str:
    """Enough of a failure to begin with where the log is not at hand: what pytest says of it, and in which line."""
    place = re.findall(r"^(\S+\.py:\d+): ", told.text or "", re.MULTILINE)
    message = " ".join((told.get("message") or "").split())
    return f"{place[-1] + ': ' if place else ''}{message[:400]}"


def run_campaign(progress: Progress) -> Tally:
    """The short form, beside nothing else: it freezes and kills, and looks at what arrives meanwhile."""
    environment = {**os.environ, "SEALPOST_BINARY": str(BUILD / "release" / "sealpost"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [ROOT / "tests" / "campaign" / "run", "--short", "--fresh"]
    status, text, log = run_logged("campaign", command, 10 * 60, cwd=ROOT, env=environment)
    for line in text.splitlines():
        if re.match(r"\w+ \d+: ", line):
            progress.say(f"  campaign/{line}")
    return count_cases("campaign", status, text, log)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run", description="Build and run the tests.")
    parser.add_argument("--only", action="append", choices=sorted(SUITES), help="this suite; may be given again")
    return parser.parse_args()


def run_suites(wanted: list[str], progress: Progress) -> Tally:
    """Functional tests mostly wait, so they run beside the next build and the other suites."""
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        try:
            return run_beside(beside, wanted, progress)
        except BaseException:
            end_everything()  # the pool waits for what it has begun
            raise


def run_beside(beside: concurrent.futures.Executor, wanted: list[str], progress: Progress) -> Tally:
    total, played = Tally(), {}
    for kind in dict.fromkeys(SUITES[s] for s in SUITES if s in wanted):
        suites = [s for s in SUITES if s in wanted and SUITES[s] == kind]
        progress.say(f"building build/{kind} for {', '.join(suites)}")
        build(kind, ["build.ninja"], progress)
        if targets := targets_for(kind, suites):  # none at all would mean everything
            build(kind, targets, progress)
        for suite in suites:
            if suite in PLAYED:
                progress.say(f"suite {suite}, beside what follows")
                played[suite] = beside.submit(run_functional, suite, progress)
        for suite in suites:
            if suite in PLAYED or suite == "campaign":
                continue
            progress.say(f"suite {suite}")
            tally = run_meson_suite(suite, progress)
            progress.say(f"suite {suite}: {tally}")
            total.add(tally)
    for suite, future in played.items():
        tally = future.result()
        progress.say(f"suite {suite}: {tally}")
        total.add(tally)
    if "campaign" in wanted:
        progress.say("suite campaign")
        tally = run_campaign(progress)
        progress.say(f"suite campaign: {tally}")
        total.add(tally)
    return total


def main() -> int:
    wanted = arguments().only or [suite for suite in SUITES if suite not in ONLY_WHEN_NAMED]
    progress = Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        total = run_suites(wanted, progress)
    except Broken as error:
        total = Tally(failed=1, trouble=[str(error)])
    except KeyboardInterrupt:
        total = Tally(failed=1, trouble=["interrupted"])
    for line in total.trouble:
        print(f"FAILED {line}")
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Bad days of the real binary, one a seed: a relay under load in the lab, accidents drawn at random, then peace, and the
balance: whatever got a 250 is delivered or still queued, nothing went in clear that a rule forbids, and the relay answers.

Used by tests/campaign/run; `accidents.py FIRST-LAST` runs some by hand."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "functional")]

from lab.world import Lab, wait_for  # noqa: E402
from load import Load, arrived  # noqa: E402
from relay import Relay, RelayError  # noqa: E402

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
LATER = {"at": "body", "match": r"Subject: load \S*[0-3]\r", "per": "argument", "times": 1, "reply": "451 4.3.0 later"}
PARTNER = {"name": "Bank", "domains": ["campbank.test"], "tls": "encrypt", "on_failure": "defer"}
SETTLE = 90  # seconds of peace


@dataclass
class Balance:
    seed: int = 0
    accidents: list[str] = field(default_factory=list)
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    lowered: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0


class Day:
    def __init__(self, lab: Lab, seed: int, directory: Path):
        self.lab, self.random = lab, random.Random(seed)
        self.balance = Balance(seed)
        self.directory = directory
        self.clock = directory / "clock"
        self.clock.write_text("+0")
        self.name = f"camp{seed}"
        lab.change(self.name, peer="script", keep_transcript=False, script=[LATER])
        lab.change("campbank", peer="script", starttls=False)
        self.relay = Relay(lab, directory, partners=[PARTNER], delivery={"retry": ["1s", "2s"], "lifetime": "1d"}, shutdown_grace="2s")
        if FAKETIME:
            self.relay.prefix = [
                "env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.clock}", "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
            ]  # fmt: skip

    # What can happen

    def kill(self):
        self.relay.kill()
        self.start()

    def kill_at_start(self):
        self.relay.kill()
        self.relay.start(wait=False)
        time.sleep(self.random.uniform(0, 0.3))
        self.relay.kill()
        self.start()

    def stop(self):
        process = self.relay.process
        process.send_signal(signal.SIGTERM)
        if self.random.random() < 0.4:
            time.sleep(self.random.uniform(0, 0.3))
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            self.balance.problems.append("it does not end after SIGTERM")
            self.relay.kill()
        else:
            if code != 0:
                self.balance.problems.append(f"SIGTERM ended with {code}")
        self.start()

    def freeze(self):
        self.relay.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 1.5))
        self.relay.process.send_signal(signal.SIGCONT)

    def reload(self):
        for _ in range(self.random.randint(1, 5)):
            self.relay.reload()

    def no_descriptors(self):
        pid = self.relay.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + self.random.randint(0, 4), before[1]))
        time.sleep(self.random.uniform(0.3, 2))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def wrong_clock(self):
        if not FAKETIME:
            return
        self.clock.write_text(self.random.choice(["+3650d", "-365d", "-20000d", "+2h", "-2h"]))
        if self.random.random() < 0.3:
            self.kill()
        time.sleep(self.random.uniform(0.5, 3))
        self.clock.write_text("+0")

    def dead_resolver(self):
        self.lab.signal("unbound", signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 3))
        self.lab.signal("unbound", signal.SIGCONT)

    def damaged_database(self):
        self.relay.kill()
        files = [f for f in self.relay.data.glob("*.db*") if f.is_file()] + list(self.relay.data.glob("sts-policies.log"))
        for file in self.random.sample(files, min(len(files), self.random.randint(1, 3))):
            what = self.random.choice(["delete", "truncate", "overwrite", "empty"])
            size = file.stat().st_size
            if what == "delete":
                file.unlink()
            elif what == "overwrite" and size:
                with open(file, "r+b") as opened:
                    opened.seek(self.random.randrange(size))
                    opened.write(self.random.randbytes(min(4096, size)))
            else:
                os.truncate(file, 0 if what == "empty" else size // 2)
        self.start()

    def locked_database(self):
        files = list(self.relay.data.glob("*.db"))
        if not files:
            return
        hold = "import sqlite3,sys,time; c=sqlite3.connect(sys.argv[1]); c.execute('begin exclusive'); time.sleep(float(sys.argv[2]))"
        holder = subprocess.Popen([sys.executable, "-c", hold, self.random.choice(files), str(self.random.uniform(1, 6))])
        if self.random.random() < 0.5:
            self.kill()
        holder.wait(20)

    ACCIDENTS = (kill, kill, kill, kill_at_start, stop, stop, freeze, reload, no_descriptors, wrong_clock, dead_resolver,
                 damaged_database, locked_database)  # fmt: skip

    # Its course

    def start(self):
        try:
            self.relay.start()
        except RelayError as error:
            self.balance.problems.append(f"after {self.balance.accidents[-1:]}: {error}")
            raise

    def run(self, accidents: int) -> Balance:
        began = time.monotonic()
        load = None
        try:
            self.relay.start()
            load = Load(self.relay, f"{self.name}.test", threads=3, pause=0.004).start()
            bank = Load(self.relay, "campbank.test", threads=1, pause=0.2, size=100).start()
            for _ in range(accidents):
                time.sleep(self.random.uniform(0.05, 0.5))
                accident = self.random.choice(self.ACCIDENTS)
                self.balance.accidents.append(accident.__name__)
                accident(self)
            load.stop()
            bank.stop()
            self.settle(load, bank)
        except RelayError:
            pass  # it is among the problems
        finally:
            if load:
                load.ended.set()
            self.relay.kill()
            self.balance.seconds = round(time.monotonic() - began, 1)
        return self.balance

    def settle(self, load: Load, bank: Load):
        domain = f"{self.name}.test"
        wait_for(lambda: load.ledger <= arrived(self.relay, domain).keys(), SETTLE, 1)
        there = arrived(self.relay, domain)
        waiting = sum(1 for e in self.relay.queue() if e["recipient"].endswith(f"@{domain}"))
        missing = len(load.ledger - there.keys())
        self.balance.acknowledged = len(load.ledger) + len(bank.ledger)
        self.balance.lost = max(0, missing - waiting)
        if missing:
            self.balance.problems.append(f"{missing} not delivered after {SETTLE} s of peace, {waiting} of the domain are queued")
        self.balance.twice = sum(n - 1 for n in there.values())
        held = sum(1 for e in self.relay.queue() if e["recipient"].endswith("@campbank.test"))
        if held < len(bank.ledger):
            self.balance.lost += len(bank.ledger) - held
            self.balance.problems.append(f"{len(bank.ledger) - held} of {len(bank.ledger)} for the partner are gone")
        for session in self.lab.sessions("mx1.campbank.test"):
            if b"MAIL FROM" in session.octets("client", clear=True).upper():
                self.balance.lowered += 1
        if self.balance.lost or self.balance.lowered:
            self.balance.problems.append(f"lost {self.balance.lost}, lowered {self.balance.lowered}")


def days(seeds: range, accidents: int, tell) -> None:
    """A lab for all, a relay and a domain for each."""
    with Lab.start() as lab:
        for seed in seeds:
            directory = Path(tempfile.mkdtemp(prefix=f"sealpost-campaign-{seed}-"))
            directory.chmod(0o755)
            try:
                balance = Day(lab, seed, directory).run(accidents)
                tell(balance)
            finally:
                lab.remove(f"camp{seed}")
                if not os.environ.get("SEALPOST_KEEP"):
                    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    first, _, last = sys.argv[1].partition("-")
    days(range(int(first), int(last or first) + 1), int(os.environ.get("SEALPOST_ACCIDENTS", "20")), lambda b: print(json.dumps(asdict(b)), flush=True))

# SPDX-License-Identifier: Apache-2.0
"""A relay that sends TLS reports, with DKIM keys in the lab's DNS and a clock the test moves."""

import datetime
import os
import random
import time
from pathlib import Path

from dkimkeys import make_key, publish
from lab.world import Lab, wait_for
from relay import Relay

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
DAY = 86400
NIGHT_OVER = 5 * 3600  # reports start within four hours of midnight


class Clock:
    """The relay's wall clock, through libfaketime: it reads a file, so it can be moved while the relay runs."""

    def __init__(self, file: Path):
        self.file = file
        self.base = int(time.time()) // DAY * DAY - DAY  # yesterday: a signature must not come from the future
        self.set(0, 12 * 3600)

    def set(self, day: int, second: int):
        offset = self.base + day * DAY + second - time.time()
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+.0f}\n")
        fresh.rename(self.file)

    def day(self, number: int) -> str:
        return datetime.datetime.fromtimestamp(self.base + number * DAY, datetime.UTC).strftime("%Y-%m-%d")

    def prefix(self) -> list[str]:
        return [
            "/usr/bin/env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.file}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]  # fmt: skip


class Reporter(Relay):
    """With two DKIM keys that are published, or without any."""

    def __init__(self, lab: Lab, directory: Path, keys: bool = True, **settings):
        directory.mkdir(parents=True, exist_ok=True)
        if keys:
            rsa, ed = (make_key(directory, "home.test", kind) for kind in ("rsa", "ed25519"))
            publish(lab, "home", rsa.record, ed.record)
            settings["dkim"] = {**rsa.setting(), "also": [ed.setting()]}
        super().__init__(lab, directory, **settings)
        self.clock = Clock(directory / "clock")
        self.prefix = self.clock.prefix()

    def set_clock(self, day: int, second: int):
        """While it runs: a step it would doubt, so the operator says that it is meant."""
        self.clock.set(day, second)
        self.ask("clock", "believe")

    def deliver(self, domain: str) -> None:
        """One message to `domain`, sent and gone."""
        token = f"{random.getrandbits(32):08x}"
        id = self.submit("anna@home.test", f"bob@{domain}", f"Subject: {token}\r\n\r\nHello.\r\n")
        self.wait_gone(id)

    def wait_counted(self, domain: str, day: int, sessions: int):
        def counted() -> int:
            report = self.report(domain, self.clock.day(day)) or {"policies": []}
            return sum(sum(p["summary"].values()) for p in report["policies"])

        assert wait_for(lambda: counted() >= sessions, 15, 0.2), (domain, counted())
        assert counted() == sessions

    def send_reports(self, day: int, *more: str) -> dict[str, dict]:
        """`report send` of a day that is over by the relay's clock: rows by target."""
        answer = self.ask("report", "send", "--day", self.clock.day(day), "--now", "--wait", *more)
        assert not answer["under_way"]
        rows = answer["reports"]
        return {f"{row['domain']} {row['target']}": row for row in rows}

    def why(self, domain: str) -> list[dict]:
        return self.ask("report", "why", domain)["reports"]


def environment_ready() -> str:
    """Empty, or what is missing."""
    if FAKETIME is None or not os.access(FAKETIME, os.R_OK):
        return "libfaketime is not installed"
    return ""

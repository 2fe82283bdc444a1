# SPDX-License-Identifier: Apache-2.0
"""A week of the report sender: traffic every day, kill -9 every night, outages of both targets. Seven reports to each.

libfaketime moves the relay's clock; what happens within a day happens in real time, so the week takes seconds."""

import gzip
import time

import pytest
import reportcheck
from collector import Collector
from lab.world import wait_for
from reporter import Reporter, environment_ready

pytestmark = pytest.mark.skipif(bool(environment_ready()), reason=environment_ready())

ADDRESS = "44.128.0.92"
NIGHT, MORNING, NOON = 5 * 3600, 11 * 3600, 12 * 3600  # reports start within four hours of midnight
COLLECTOR_DOWN = (2, 3)
MAILBOX_DOWN = (4,)
DOMAINS = [
    {
        "name": "rpt-week", "tlsrpt": "v=TLSRPTv1; rua=https://reports.rpt-week.test/,mailto:week@rpt-weekmail.test",
        "records": [f"reports 5 A {ADDRESS}"],
    },
    {"name": "rpt-weekmail", "sts": {"mode": "enforce"}, "tlsrpt": "v=TLSRPTv1; rua=mailto:back@rpt-week.test"},
]  # fmt: skip


class Week:
    def __init__(self, lab, relay: Reporter, collector: Collector):
        self.lab, self.relay, self.collector = lab, relay, collector

    def crash_and_start(self, day: int, second: int):
        self.relay.kill()
        self.relay.clock.set(day, second)
        self.relay.start()

    def traffic(self, day: int):
        self.relay.set_clock(day, NOON)
        self.relay.deliver("rpt-week.test")
        self.relay.wait_counted("rpt-week.test", day, 1)

    def wait_for_night(self, day: int, posted: str):
        """Both targets have had their try: the mail is queued, and of the POST the result says `posted`."""
        rows = []

        def tried() -> bool:
            rows[:] = [r for r in self.relay.why("rpt-week.test") if r["day"] == self.relay.clock.day(day)]
            results = {r["target"].partition(":")[0]: r["result"] for r in rows}
            return results.get("https") == posted and results.get("mailto", "").startswith("queued as mail ")

        assert wait_for(tried, 20, 0.1), rows

    def wait_delivered(self):
        # A crash between a receiver's 250 and our record of it makes a second copy of a mail, of reports as of all others
        # (RFC 5321 §6.1; the report's id is the same). That is not what is looked for here.
        assert wait_for(lambda: not self.relay.queue(), 20, 0.05), self.relay.queue()

    def night(self, day: int):
        self.collector.status = 503 if day in COLLECTOR_DOWN else 201
        if day in MAILBOX_DOWN:
            self.lab.change("rpt-weekmail", mx=[{"host": "mx1", "address": "refused"}])
        self.crash_and_start(day + 1, NIGHT)
        self.wait_for_night(day, "HTTP status 503" if day in COLLECTOR_DOWN else "accepted")
        if day in MAILBOX_DOWN:
            assert wait_for(lambda: any(e["state"] == "deferred" for e in self.relay.queue()), 20, 0.05)
            self.lab.change("rpt-weekmail", mx=None)
        else:
            self.wait_delivered()

    def morning(self, day: int):
        """The outages are over before the 24 hours are."""
        if day not in (*COLLECTOR_DOWN, *MAILBOX_DOWN):
            return
        self.collector.status = 201
        self.crash_and_start(day + 1, MORNING)
        self.wait_for_night(day, "accepted")
        self.wait_delivered()

    def check(self):
        wanted = {self.relay.clock.day(day): 1 for day in range(7)}
        mails = [list(m.message.iter_parts())[1] for m in self.lab.mail_of("rpt-weekmail.test")]
        received = {
            "posted": [r.body for r in self.collector.requests if r.answered == 201],
            "mailed": [m.get_payload(decode=True) for m in mails],
        }
        for how, packed in received.items():
            reports = [reportcheck.check(gzip.decompress(octets)) for octets in packed]
            found = [(r["date-range"]["start-datetime"][:10], sessions_in(r)) for r in reports]
            assert sorted(found) == sorted(wanted.items()), how
            assert len({r["report-id"] for r in reports}) == 7, how


def sessions_in(report: dict) -> int:
    return sum(sum(p["summary"].values()) for p in report["policies"])


def test_RPT10_a_week_each_report_exactly_once(lab, tmp_path):
    lab.change_all(*DOMAINS)
    relay = Reporter(lab, tmp_path / "relay", tls_rpt={"send": True})
    relay.start()
    with Collector(lab, "reports.rpt-week.test", "rpt-week.test", address=ADDRESS) as collector:
        try:
            week = Week(lab, relay, collector)
            for day in range(7):
                week.traffic(day)
                week.night(day)
                week.morning(day)
            relay.restart()
            time.sleep(0.5)  # long enough for a second copy to show
            week.check()
            # T-44: what carried reports has made no report of its own, though its domain asks for one.
            assert all(relay.report("rpt-weekmail.test", relay.clock.day(day)) is None for day in range(8))
        finally:
            relay.kill()

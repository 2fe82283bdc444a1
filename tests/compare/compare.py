# SPDX-License-Identifier: Apache-2.0
"""Plays every row through both relays in one lab. Started by tests/compare/run."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from rows import DEFERRED, DELIVERED, ROOT, Row, all_rows  # first: it says where the lab and the tests are

import page
import postfix
from crowd import Crowd
from lab.table import Table
from lab.world import WORLD_FILE, wait_for
from relay import BINARY, Relay
from test_dane import targets

SENDERS = {"sealpost": "sealpost@home.test", "Postfix": "postfix@home.test"}


def say(text: str):
    print(text, flush=True)


def word(tls: bool, verified: bool) -> str:
    if not tls:
        return "delivered in clear"
    return "delivered, verified" if verified else "delivered, encrypted"


class Comparison:
    def __init__(self, lab, directory: Path, rows: list[Row]):
        self.lab = lab
        self.rows = rows
        only = [f"{r.domain}.test" for r in rows if r.dane_only]
        rule = {"name": "DANE or nothing", "tls": "dane", "domains": only, "on_failure": "defer"}
        self.relay = Relay(
            lab, directory, partners=[rule] if only else [],
            delivery={"hold_first_for_policy": "60s", "retry": ["4s"]}, mta_sts={"fetch_limit": "4s"},
        )  # fmt: skip

    def publish(self):
        self.lab.change_all(*targets(), *[{"name": r.domain, **r.keys} for r in self.rows])
        self.lab.wait_until_listening()
        self.relay.start()
        wait_for(lambda: self.relay.ask("status")["dnssec"]["state"] == "proven", 30, 0.2)

    def send(self, local_part: str, rows: list[Row]):
        recipients = [f"{local_part}@{r.domain}.test" for r in rows]
        for recipient in recipients:
            self.relay.submit(SENDERS["sealpost"], recipient, f"Subject: {recipient}\r\n\r\nsecret\r\n")
        postfix.submit(self.lab, recipients)
        wait_for(lambda: set(recipients) <= set(self.of_sealpost()), 90, 0.5)
        wait_for(lambda: set(recipients) <= set(postfix.fates(self.lab)), 90, 0.5)

    def of_sealpost(self) -> dict[str, dict]:
        events = [e for e in self.relay.events() if e["event"] in (DELIVERED, DEFERRED, "bounced")]
        return {e["rcpt"]: e for e in events}

    def results(self) -> list[page.Result]:
        ours, theirs = self.of_sealpost(), postfix.fates(self.lab)
        results = []
        for row in self.rows:
            recipient = f"{'carol' if row.then else 'bob'}@{row.domain}.test"
            results.append(page.Result(row, self.sealpost_word(ours.get(recipient)), self.postfix_word(recipient, theirs)))
        return results

    def sealpost_word(self, event: dict | None) -> str:
        if not event or event["event"] != DELIVERED:
            return event["event"] if event else "unknown"
        return word(event["tls"] != "none", event["verified"] in ("dane", "verified"))

    def postfix_word(self, recipient: str, fates: dict) -> str:
        fate = fates.get(recipient)
        if not fate or fate.outcome != "sent":
            return fate.outcome if fate else "unknown"
        return word(fate.tls != "none", fate.tls == "verified")


def play(rows_wanted: str) -> list[page.Result]:
    lab_rows = all_rows(None)
    postfix.Sender.dane_only = tuple(f"{r.domain}.test" for r in lab_rows if r.dane_only)
    with postfix.CompareLab.start(Table.read(WORLD_FILE)) as lab, tempfile.TemporaryDirectory() as directory:
        rows = [r for r in all_rows(lab) if rows_wanted in (r.group, "")]
        comparison = Comparison(lab, Path(directory), rows)
        began = time.monotonic()
        try:
            comparison.publish()
            say(f"{len(rows)} rows published, both relays run")
            comparison.send("bob", rows)
            later = [r for r in rows if r.then]
            if later:
                lab.change_all(*[{"name": r.domain, **r.then} for r in later])
                time.sleep(2)  # the policy resolver looks for a new id once a second
                say(f"{len(later)} policies changed")
                comparison.send("carol", later)
            return comparison.results()
        finally:
            comparison.relay.kill()
            say(f"played in {time.monotonic() - began:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/compare/run", description=__doc__)
    parser.add_argument("--group", default="", help="only one group of rows; the page is not written then")
    parser.add_argument("--show", action="store_true", help="print every row")
    arguments = parser.parse_args()
    if not BINARY.exists():
        say(f"there is no {BINARY}; build it, or set SEALPOST_BINARY")
        return 1
    results = play(arguments.group)
    wrong = [r for r in results if not r.ours.startswith(r.row.expected)]
    for result in results:
        if arguments.show or result in wrong:
            say(f"{result.row.group}/{result.row.name}: {result.ours} | {result.theirs}")
    unexplained = [r for r in results if r.ours != r.theirs and not page.explanation(r)]
    for result in unexplained:
        say(f"not explained: {result.row.group}/{result.row.name}: sealpost {result.ours}, Postfix {result.theirs}")
    if not arguments.group and not wrong and not unexplained:
        page.write(ROOT / "docs" / "compared-with-postfix.md", results)
    differ = sum(r.ours != r.theirs for r in results)
    say(f"{len(results)} rows, {differ} differ, {len(wrong)} not as the functional tests have them, {len(unexplained)} not explained")
    return 1 if wrong or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

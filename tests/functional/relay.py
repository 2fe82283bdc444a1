# SPDX-License-Identifier: Apache-2.0
"""One sealpost process in the lab's relay namespace: configured, started, fed, asked, killed.

Every wait is a bounded poll of something that can be observed: the queue, a mailbox, a report.
"""

import contextlib
import datetime
import itertools
import json
import os
import re
import signal
import smtplib
import subprocess
import time
from pathlib import Path

import answers
from lab.world import Lab, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("SEALPOST_BINARY", ROOT / "build" / "release" / "sealpost"))

ports = itertools.count(2525)  # each relay its own, so that one that ends late is in nobody's way


class RelayError(Exception):
    """The relay did not do what every test relies on; the text says what, with the end of its log."""


class Bare(str):
    """Written as it stands, such as a date."""


def replace(path: Path, text: str):
    """A new file in the place of the old one, at once, as careful editors and deployments write."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


def toml_value(value) -> str:
    if isinstance(value, Bare):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    if isinstance(value, Path):
        return json.dumps(str(value))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(value, ensure_ascii=False)  # strings, numbers and booleans are written alike


def to_toml(settings: dict) -> str:
    """Tables and arrays of tables get headers, all else is a value."""
    lines = [f"{k} = {toml_value(v)}" for k, v in settings.items() if not is_table(v)]
    for key, value in settings.items():
        if not is_table(value):
            continue
        for table in [value] if isinstance(value, dict) else value:
            lines += ["", f"[{key}]" if isinstance(value, dict) else f"[[{key}]]"]
            lines += [f"{k} = {toml_value(v)}" for k, v in table.items()]
    return "\n".join(lines) + "\n"


def is_table(value) -> bool:
    return isinstance(value, dict) or isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def merged(base: dict, changes: dict) -> dict:
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if nested else value
    return result


SANITIZER_REPORT = re.compile(r"^.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: )(?:.*\n?){1,12}", re.MULTILINE)
outputs: dict[Path, int] = {}  # what relays write to their standard output, and how far that was looked through


def sanitizer_reports() -> list[str]:
    """What a relay built with a sanitizer has reported since the last call: its first lines, and the file."""
    found = []
    for path, seen in outputs.items():
        written = path.read_bytes()[seen:] if path.exists() else b""
        outputs[path] = seen + len(written)
        if report := SANITIZER_REPORT.search(written.decode(errors="replace")):
            found.append(f"{path}: {report[0]}")
    return found


class Relay:
    """Settings are those of the configuration file; they are laid over a short retry schedule and the
    lab's trust anchors; listeners given are added to the one on loopback. `partners` is a list of partner
    rules, written to a file of their own."""

    def __init__(self, lab: Lab, directory: Path, partners: list[dict] | None = None, **settings):
        self.lab = lab
        self.directory = directory
        self.port = next(ports)
        self.data = directory / "data"
        self.policies = directory / "policies"
        self.config = directory / "sealpost.toml"
        self.log = directory / "sealpost.log"
        self.process: subprocess.Popen | None = None
        self.prefix: list[str] = []  # words before the program's name, to run it under something
        base = {
            "hostname": "relay.home.test",
            "data_dir": self.data,
            "listener": [{"address": f"127.0.0.1:{self.port}", "mode": "relay", "allow": ["127.0.0.0/8"]}],
            "tls": {"trust": lab.trust_file},
            "dns": {"servers": ["127.0.0.1"], "signed_name": "ns.test", "broken_name": "mx1.any.bogus.test"},
            "notifications": {"per_sender": 100_000, "in_all": 1_000_000, "gather": "1s", "again": "1s"},
            "delivery": {"retry": ["1s", "2s", "3s"], "lifetime": "10m", "delay_notice": "5m", "hold_first_for_policy": "5s"},
            "tls_rpt": {"organization": "Home", "contact": "tls-reports@home.test", "from": "tls-reports@home.test", "send": False},
            "control": {"socket": self.data / "control.sock"},
            "policies": {"directory": self.policies},
            "log": {"format": "json", "file": self.log},
        }  # fmt: skip
        for path in (self.data, self.policies):
            path.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)  # the relay insists
        settings["listener"] = base["listener"] + settings.get("listener", [])
        self.settings = merged(base, settings)
        self.config.write_text(to_toml(self.settings))
        self.write_partners(partners or [])

    def write_partners(self, partners: list[dict], weaker: list[dict] | None = None):
        """Without rules one that concerns nobody: a file that says nothing is an error. `weaker`: entries for demands
        that get weaker on purpose; their date is today's."""
        nobody = {"name": "Nobody", "domains": ["nobody.invalid"], "tls": "opportunistic"}
        settings: dict = {"partner": partners or [nobody]}
        if weaker:
            dated = {"date": Bare(utc_day()), "reason": "a test", "approved_by": "ciso@home.test"}
            settings["weaker"] = [{**dated, **entry} for entry in weaker]
        replace(self.policies / "partners.toml", to_toml(settings))

    # Life

    def start(self, wait: bool = True):
        if not BINARY.exists():
            raise RelayError(f"there is no {BINARY}; build it, or set SEALPOST_BINARY")
        output = open(self.directory / "sealpost.out", "ab")
        outputs.setdefault(self.directory / "sealpost.out", 0)
        command = self.lab.command([*self.prefix, BINARY, "--config", self.config, "run"])
        started = len(self.events("started"))
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory)
        if wait and not wait_for(lambda: self.answers() or self.process.poll() is not None, 15):
            raise RelayError(f"the relay does not answer after 15 s: {self.last_words()}")
        if self.process.poll() is not None:
            raise RelayError(f"the relay ended with {self.process.returncode}: {self.last_words()}")
        if wait and self.log.exists():
            wait_for(lambda: len(self.events("started")) > started, 5)  # nobody waits for the log but who reads it
        return self

    def answers(self) -> bool:
        """Does it greet on its port?"""
        try:
            with self.lab.connect("127.0.0.1", self.port, timeout=1) as connection:
                return connection.recv(4).startswith(b"220")
        except OSError:
            return False

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM: finish what is under way, then end."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RelayError(f"the relay did not end {seconds} s after SIGTERM: {self.last_words()}") from None
        finally:
            self.process = None

    def kill(self):
        """kill -9, as a crash would be."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def change(self, **settings):
        """These settings laid over those of the file."""
        self.settings = merged(self.settings, settings)
        self.config.write_text(to_toml(self.settings))

    def reload_with(self, **settings) -> dict:
        """The same, and a reload; what the log says of it: `reloaded` or `reload_refused`."""
        self.change(**settings)
        said = lambda: self.events("reloaded") + self.events("reload_refused")
        before = said()
        self.reload()
        if not wait_for(lambda: len(said()) > len(before), 20, 0.05):
            raise RelayError(f"nothing came of a reload: {self.last_words()}")
        return [event for event in said() if event not in before][-1]

    def last_words(self) -> str:
        for file in (self.directory / "sealpost.out", self.log):
            if file.exists() and (text := file.read_text(errors="replace").strip()):
                return " | ".join(line[:300] for line in text.splitlines()[-3:])
        return "it wrote nothing"

    # Mail in

    @contextlib.contextmanager
    def client(self):
        with self.lab.entered():
            connection = smtplib.SMTP("127.0.0.1", self.port, "sender.home.test", timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    def submit(self, sender: str, recipients: str | list[str], message: str | bytes) -> str:
        """Hand in one message; the queue id that the 250 gave."""
        recipients = [recipients] if isinstance(recipients, str) else recipients
        with self.client() as connection:
            connection.ehlo()
            expect(250, connection.mail(sender))
            for recipient in recipients:
                expect(250, connection.rcpt(recipient))
            reply = expect(250, connection.data(message))
            connection.quit()
        found = re.search(rb"\bqueued as (\w+)", reply)
        if not found:
            raise RelayError(f"no queue id in the reply to the message: {reply.decode()}")
        return found[1].decode()

    # Questions

    def command(self, *words: str) -> subprocess.CompletedProcess:
        command = self.lab.command([BINARY, "--config", self.config, *words])
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if "--json" in words and os.environ.get("SEALPOST_CHECK_ANSWERS"):
            answers.check_done(words, done)
        return done

    def command_started(self, *words: str) -> subprocess.Popen:
        """The same, not waited for."""
        command = self.lab.command([BINARY, "--config", self.config, *words])
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, *words: str):
        """A subcommand with --json, as an object."""
        done = self.command("--json", *words)
        if done.returncode != 0:
            raise RelayError(f"sealpost {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def queue(self, id: str | None = None) -> list[dict]:
        entries = self.ask("queue", "list", "--limit", "100000")["entries"]
        return [e for e in entries if id in (None, e["id"])]

    def explain(self, address: str) -> dict:
        return self.ask("policy", "explain", address)

    def report(self, domain: str, day: str | None = None) -> dict | None:
        """Today's RFC 8460 report on a domain as it would be sent, or None when there is nothing in it."""
        done = self.command("--json", "report", "preview", "--day", day or utc_day(), "--domain", domain)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def counts(self, domain: str, kind: str) -> tuple[int, int, dict[str, int]]:
        """Successful and failed sessions under policies of one type, and the failures by result type."""
        report = self.report(domain) or {"policies": []}
        good = bad = 0
        failures: dict[str, int] = {}
        for entry in report["policies"]:
            if entry["policy"]["policy-type"] != kind:
                continue
            good += entry["summary"]["total-successful-session-count"]
            bad += entry["summary"]["total-failure-session-count"]
            for detail in entry["failure-details"]:
                result = detail["result-type"]
                failures[result] = failures.get(result, 0) + detail["failed-session-count"]
        return good, bad, failures

    def events(self, name: str = "", **fields) -> list[dict]:
        """Log lines, parsed. For telling and for debugging; what a test asserts is elsewhere."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        parsed = [json.loads(line) for line in lines if line.endswith("}")]
        wanted = {"event": name, **fields} if name else fields
        return [e for e in parsed if all(e.get(k) == v for k, v in wanted.items())]

    # Waiting

    def wait_gone(self, id: str, seconds: float = 30):
        """Until every recipient of the message is delivered or bounced."""
        if not wait_for(lambda: not self.queue(id), seconds, 0.1):
            raise RelayError(f"{id} is still queued after {seconds} s: {self.queue(id)}")

    def wait_deferred(self, id: str, attempts: int = 1, seconds: float = 30) -> dict:
        """Until an attempt has failed for now; the queue entry."""
        found: list[dict] = []

        def look():
            found[:] = [e for e in self.queue(id) if e["state"] == "deferred" and e["attempts"] >= attempts]
            return bool(found)

        if not wait_for(look, seconds, 0.1):
            raise RelayError(f"{id} was not deferred in {seconds} s: {self.queue(id)}; {self.last_words()}")
        return found[0]

    def wait_counts(self, domain: str, kind: str, condition, seconds: float = 15):
        """Until the report's counts satisfy `condition(good, bad, failures)`; the last counts either way."""
        wait_for(lambda: condition(*self.counts(domain, kind)), seconds, 0.2)
        return self.counts(domain, kind)


def expect(code: int, answer: tuple[int, bytes]) -> bytes:
    if answer[0] != code:
        raise RelayError(f"the relay answered {answer[0]} {answer[1].decode()} where {code} was expected")
    return answer[1]


def utc_day() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())

# SPDX-License-Identifier: Apache-2.0
"""A relay that sends TLS reports, with DKIM keys in the lab's DNS and a clock the test moves."""

import base64
import datetime
import os
import random
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from lab.world import Lab, wait_for
from relay import Relay

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
DAY = 86400
NIGHT_OVER = 5 * 3600  # reports start within four hours of midnight


def private_pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def published(key, kind: str) -> str:
    """The value of the key record (RFC 6376 §3.6.1; RFC 8463 §4.2: the raw key), as TXT strings of a zone."""
    if kind == "ed25519":
        octets = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        octets = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    text = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))


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
    def __init__(self, lab: Lab, directory: Path, **settings):
        directory.mkdir(parents=True, exist_ok=True)
        rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        ed_key = ed25519.Ed25519PrivateKey.generate()
        files = {"rsa": directory / "rsa.pem", "ed": directory / "ed.pem"}
        for name, key in (("rsa", rsa_key), ("ed", ed_key)):
            files[name].touch(0o600)
            files[name].write_bytes(private_pem(key))
        suffix = f"{random.getrandbits(32):08x}"
        self.selectors = {"rsa": f"rsa{suffix}", "ed": f"ed{suffix}"}
        old = lab.table.raw["home"].get("records", [])
        lab.change(
            "home",
            records=[
                *old,
                f"{self.selectors['rsa']}._domainkey TXT {published(rsa_key, 'rsa')}",
                f"{self.selectors['ed']}._domainkey TXT {published(ed_key, 'ed25519')}",
            ],
        )
        dkim = {
            "domain": "home.test", "selector": self.selectors["rsa"], "key": files["rsa"],
            "also": [{"selector": self.selectors["ed"], "key": files["ed"]}],
        }  # fmt: skip
        super().__init__(lab, directory, dkim=dkim, **settings)
        self.clock = Clock(directory / "clock")
        self.prefix = self.clock.prefix()

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
        rows = self.ask("report", "send", "--day", self.clock.day(day), "--now", *more)
        return {f"{row['domain']} {row['target']}": row for row in rows}

    def why(self, domain: str) -> list[dict]:
        return self.ask("report", "why", domain)


def environment_ready() -> str:
    """Empty, or what is missing."""
    if FAKETIME is None or not os.access(FAKETIME, os.R_OK):
        return "libfaketime is not installed"
    return ""

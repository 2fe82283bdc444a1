# SPDX-License-Identifier: Apache-2.0
"""What the servers of the lab took in: the maildirs and the transcripts, as objects."""

import email
import email.message
import email.policy
import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Mail:
    """One delivered copy. Recipient and sender are the envelope's, as the receiving server noted them."""

    recipient: str
    sender: str
    protocol: str  # ESMTPS, ESMTP, ...: what the receiving server says of the session
    message: email.message.EmailMessage
    octets: bytes = field(repr=False)
    path: Path = field(repr=False)

    @property
    def encrypted(self) -> bool:
        return self.protocol.upper().rstrip("A").endswith("S")


def read_mail(path: Path) -> Mail:
    octets = path.read_bytes()
    message = email.message_from_bytes(octets, policy=email.policy.SMTP)
    received = " ".join((message.get_all("Received") or [""])[0].split())
    protocol = re.search(r"\bwith (\w*SMTP\w*)", received, re.IGNORECASE)
    recipient = message["Delivered-To"] or message["Envelope-to"] or ""
    return Mail(
        recipient=str(recipient),
        sender=str(message["Return-Path"] or "").strip("<>"),
        protocol=protocol[1] if protocol else "",
        message=message,
        octets=octets,
        path=path,
    )


def read_maildir(directory: Path) -> list[Mail]:
    files = sorted((directory / "new").glob("*"), key=lambda f: f.stat().st_mtime_ns)
    return [read_mail(f) for f in files]


@dataclass
class Session:
    """A session as the scripted peer saw it."""

    facts: dict
    events: list[dict]

    def octets(self, who: str, clear: bool | None = None) -> bytes:
        """Everything `who` ("client" or "server") sent; all, or what was in clear, or what was not."""
        wanted = [e for e in self.events if e.get("from") == who and clear in (None, e["clear"])]
        return "".join(e["octets"] for e in wanted).encode("latin-1")

    @property
    def commands(self) -> list[str]:
        """The verbs the client sent, in order; text of a message may be among them."""
        lines = self.octets("client").decode("latin-1").split("\r\n")
        return [line for line in lines if line]

    @property
    def tls(self) -> dict | None:
        return next((e for e in self.events if "tls" in e), None)

    @property
    def tls_error(self) -> str | None:
        return next((e["tls_error"] for e in self.events if "tls_error" in e), None)

    @property
    def end(self) -> str | None:
        """Why it ended; None while it goes on."""
        return next((e["end"] for e in self.events if "end" in e), None)

    @property
    def mail_in_clear(self) -> bool:
        """Did an address or a message leave the client unencrypted?"""
        return re.search(rb"^(MAIL FROM|RCPT TO|DATA\r|BDAT )", self.octets("client", clear=True), re.M | re.I) is not None


def read_sessions(directory: Path) -> list[Session]:
    sessions = []
    for path in sorted(directory.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        if lines:
            sessions.append(Session(lines[0], lines[1:]))
    return sessions

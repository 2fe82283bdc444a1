# SPDX-License-Identifier: Apache-2.0
"""What a scene is played on: the lab, a relay, a way to tell and a way to check.

A scene is one function in scenes.py. packaging/quickstart plays it and prints what it tells; the
functional tests play it and care for its checks. There is no second copy.
"""

import email.message
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.mailbox import Mail
from lab.world import Lab, wait_for
from relay import Relay

PARTNERS = [
    {
        "name": "Partner who must encrypt", "domains": ["partner-encrypt.test"], "tls": "encrypt",
        "on_failure": "bounce", "grace": "4s", "reference": "DPA-2026-001",
    },
    {
        "name": "Partner who must be verified", "domains": ["partner-verify.test"], "tls": "verify",
        "mx": ["mx1.partner-verify.test"], "reference": "DPA-2026-002",
    },
]  # fmt: skip


class SceneFailed(AssertionError):
    """Something a scene says did not happen."""


@dataclass
class Sent:
    """One message on its way."""

    id: str
    sender: str
    recipient: str
    subject: str

    @property
    def domain(self) -> str:
        return self.recipient.rpartition("@")[2]


class Stage:
    """`tell(label, text)` is called with each thing worth knowing, in the order it becomes known."""

    def __init__(self, lab: Lab, directory: Path, tell: Callable[[str, str], None] = lambda label, text: None):
        self.lab = lab
        self.tell = tell
        self.relay = Relay(lab, directory, partners=PARTNERS)

    def check(self, statement: str, holds: bool):
        """A statement that must be true; it is told either way."""
        self.tell("checked" if holds else "FAILED", statement)
        if not holds:
            raise SceneFailed(statement)

    # Sending, and what is known before anything is sent

    def send(self, recipient: str, sender: str = "") -> Sent:
        token = f"{random.getrandbits(32):08x}"
        sender = sender or f"anna-{token}@home.test"
        subject = f"Scene {token}"
        text = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\nMessage-ID: <{token}@home.test>\r\n\r\nHello.\r\n"
        id = self.relay.submit(sender, recipient, text)
        self.tell("sent", f"<{sender}> to <{recipient}>, queue id {id}")
        return Sent(id, sender, recipient, subject)

    def tell_policy(self, address: str):
        """Which policy applies and why, in the relay's own words."""
        explained = self.relay.explain(address)
        for line in explained["trace"]:
            self.tell("policy", line)
        for host in explained["hosts"]:
            for line in host["trace"]:
                self.tell("policy", f"{host['mx']}: {line}")
            self.tell("policy", f"{host['mx']}: on failure: {host['on_failure']}")

    def tell_attempts(self, sent: Sent):
        """What was negotiated and what became of it: the relay's line for each attempt."""
        for event in self.relay.events("host_refused", domain=sent.domain):
            self.tell("TLS", f"{event['mx']} refused for {event['policy']} ({event['result']}): {event['why']}")
        for event in self.relay.events(id=sent.id, rcpt=sent.recipient):
            if event["event"] not in ("delivered", "deferred", "bounced"):
                continue
            if "tls" in event:  # a session was had
                cipher = f" {event['cipher']}" if event["cipher"] else ""
                self.tell("TLS", f"{event['mx']}: {event['tls']}{cipher}, certificate {event['verified']}")
            self.tell("outcome", f"{event['event']}, attempt {event['attempt']}: {event['status']} {event['reply']}")

    # Receiving

    def mail(self, sent: Sent) -> list[Mail]:
        """The copies of a message that its recipient's server took."""
        return [m for m in self.lab.mail_of(sent.domain) if m.message["Subject"] == sent.subject]

    def wait_delivered(self, sent: Sent, seconds: float = 30) -> Mail:
        arrived = wait_for(lambda: bool(self.mail(sent)), seconds, 0.1)
        if arrived:
            self.relay.wait_gone(sent.id)
        self.tell_attempts(sent)
        self.check(f"it arrived at {sent.domain}", arrived)
        mails = self.mail(sent)
        self.check("it arrived once", len(mails) == 1)
        return mails[0]

    def wait_bounce(self, sent: Sent, seconds: float = 30) -> "Bounce":
        found: list[Mail] = []

        def look() -> bool:
            found[:] = [m for m in self.lab.mail_of("home.test") if m.recipient == sent.sender]
            return bool(found)

        arrived = wait_for(look, seconds, 0.1)
        self.tell_attempts(sent)
        self.check("its sender got a delivery status notification", arrived)
        self.check("and only one", len(found) == 1)
        bounce = Bounce(found[0])
        self.tell("outcome", f"bounced: Action {bounce.field('Action')}, Status {bounce.field('Status')}")
        self.tell("outcome", f"Diagnostic-Code: {bounce.field('Diagnostic-Code')}")
        self.check("the notification came from the null sender", found[0].sender == "")
        return bounce

    def check_counted(self, domain: str, kind: str, good: int, bad: int, result: str = ""):
        """The day's TLS report on a domain, under policies of one type, says at least this."""
        counts = self.relay.wait_counts(domain, kind, lambda g, b, f: g >= good and b >= bad)
        failures = f", failures {counts[2]}" if counts[2] else ""
        self.tell("counted", f"{kind}: {counts[0]} ok, {counts[1]} failed{failures}")
        self.check(f"the TLS report counts it ({kind})", counts[0] >= good and counts[1] >= bad)
        self.check("and nothing it should not", (good > 0) == (counts[0] > 0) and (bad > 0) == (counts[1] > 0))
        if result:
            self.check(f"as {result}", set(counts[2]) == {result})


class Bounce:
    """A delivery status notification, read as RFC 3464 has it."""

    def __init__(self, mail: Mail):
        self.mail = mail
        self.parts = list(mail.message.iter_parts())

    @property
    def text(self) -> str:
        return self.parts[0].get_content()

    @property
    def status(self) -> list[email.message.Message]:
        """The block about the message, then one for each recipient."""
        return self.parts[1].get_payload()

    def field(self, name: str) -> str:
        """Of the first recipient's block, on one line."""
        return " ".join(str(self.status[1][name] or "").split())

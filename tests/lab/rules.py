# SPDX-License-Identifier: Apache-2.0
"""The little language of the scripted SMTP peer: rules that say where to depart from good behaviour.

A rule is a table. At each stage of a session the first rule that applies is obeyed; with none, the
peer is a well-behaved server. README.md has the list of keys with examples.
"""

import re
from dataclasses import dataclass, field, fields

STAGES = (
    "connect", "greeting", "ehlo", "helo", "starttls", "handshake", "mail", "rcpt", "data", "text", "bdat", "chunk", "body",
    "rset", "noop", "vrfy", "quit", "other",
)  # fmt: skip
THEN = ("", "close", "reset", "stall", "clear", "quiet-close")
PER = ("host", "session", "argument")


class RuleError(ValueError):
    pass


@dataclass(eq=False)
class Rule:
    at: str  # a word of STAGES, or several separated by blanks
    match: str = ""  # regular expression that the argument (at "body": the message) must contain
    tls: bool | None = None  # only inside TLS, or only outside
    skip: int = 0  # pass over so many occasions first
    times: int = 0  # then apply to so many; 0 is all
    per: str = "host"  # what occasions are counted by
    hello_over: int = 0  # at "handshake": only if the ClientHello record is longer than this
    wait: float = 0  # seconds before anything is sent
    reply: str | list[str] = ""  # line or lines, CRLF is added to each
    raw: str = ""  # octets (U+0000 to U+00FF) sent as they are, after `reply`
    drip: float = 0  # seconds between octets
    then: str = ""
    seen: dict = field(default_factory=dict)

    def __post_init__(self):
        for stage in self.at.split():
            if stage not in STAGES:
                raise RuleError(f"at = {stage!r} is none of: {', '.join(STAGES)}")
        if self.then not in THEN:
            raise RuleError(f"then = {self.then!r} is none of: {', '.join(THEN)}")
        if self.per not in PER:
            raise RuleError(f"per = {self.per!r} is none of: {', '.join(PER)}")

    def applies(self, stage: str, argument: str, in_tls: bool, session: int, hello: int) -> bool:
        """Is this the occasion? Asking counts it."""
        if stage not in self.at.split() or self.tls not in (None, in_tls):
            return False
        if self.hello_over and hello <= self.hello_over:
            return False
        if self.match and not re.search(self.match, argument):
            return False
        key = {"host": None, "session": session, "argument": argument}[self.per]
        number = self.seen[key] = self.seen.get(key, 0) + 1
        return number > self.skip and (not self.times or number <= self.skip + self.times)

    def octets(self) -> bytes:
        lines = [self.reply] if isinstance(self.reply, str) else self.reply
        text = "".join(f"{line}\r\n" for line in lines if line)
        return (text + self.raw).encode("latin-1")

    def code(self) -> int | None:
        """The reply code a client will read last, if it is a reply at all."""
        lines = re.findall(rb"^(\d{3})(?: |\r|$)", self.octets(), re.MULTILINE)
        return int(lines[0]) if lines else None


KEYS = {f.name for f in fields(Rule)} - {"seen"}


def parse_rules(given: list[dict]) -> list[Rule]:
    rules = []
    for number, entry in enumerate(given):
        unknown = set(entry) - KEYS
        if unknown:
            raise RuleError(f"rule {number}: unknown key {min(unknown)!r}; there are: {', '.join(sorted(KEYS))}")
        if "at" not in entry:
            raise RuleError(f"rule {number}: `at` is missing")
        try:
            rules.append(Rule(**entry))
        except RuleError as error:
            raise RuleError(f"rule {number}: {error}") from None
    return rules

# SPDX-License-Identifier: Apache-2.0
"""The scripted peer: an SMTP server (and an HTTPS one, https.py) that does what real ones will not.

Started by the lab in the world's namespace with its directory; reads peer.json there and listens on
every address named in it. SIGHUP makes it read again: new addresses are opened, behaviour changes
at once, also within sessions. Transcripts go to transcripts/HOST/NUMBER.jsonl, accepted messages
into the same maildirs that the real servers deliver to.
"""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import ssl
import sys
import time
from email.utils import formatdate
from pathlib import Path

from .https import HttpsSession
from .rules import Rule, parse_rules
from .wire import VERSIONS, Ended, Transcript, Wire

KEYWORDS = ["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"]


class HostSettings:
    """What one address shall do, as read from peer.json. Rules keep their counts with it."""

    def __init__(self, raw: dict, mail: Path, unknown: str):
        self.mail = mail
        self.unknown = unknown
        self.become(raw)

    def become(self, raw: dict):
        self.raw = raw
        self.name = raw["name"]
        self.rules = parse_rules(raw["script"])
        self.contexts: dict = {}

    def context(self) -> ssl.SSLContext:
        """Kept, so that session tickets work from one session to the next; new when the certificate is."""
        file = self.raw["certificate_file"]
        stamp = os.stat(file).st_mtime_ns
        if self.contexts.get("stamp") != stamp:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers(f"{self.raw['ciphers'] or 'DEFAULT'}:@SECLEVEL=0")  # weak keys and old versions are what we are for
            context.minimum_version = VERSIONS[self.raw["tls_minimum"] or "1.0"]
            context.maximum_version = VERSIONS[self.raw["tls_maximum"] or "1.3"]
            context.load_cert_chain(file)
            if self.raw["asks_certificate"]:
                context.verify_mode = ssl.CERT_OPTIONAL
                context.load_verify_locations(self.raw["trust_file"])
            self.contexts = {"stamp": stamp, "context": context}
        return self.contexts["context"]

    def keywords(self, in_tls: bool) -> list[str]:
        listed = self.raw["ehlo_tls"] if in_tls and self.raw["ehlo_tls"] is not None else self.raw["ehlo"]
        if listed is not None:
            return listed
        return KEYWORDS + (["STARTTLS"] if self.raw["starttls"] and not in_tls else [])


class SmtpSession:
    def __init__(self, wire: Wire, settings: HostSettings, number: int):
        self.wire = wire
        self.settings = settings
        self.number = number
        self.hello = 0
        self.helo = ""
        self.esmtp = False
        self.forget()

    def forget(self):
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.chunks = b""

    # One stage: obey the first rule that applies, else answer as a good server would.

    async def stage(
        self, name: str, argument: str, normal: str | list[str], before_yes=lambda: None
    ) -> tuple[int | None, Rule | None]:
        """`before_yes` runs before a positive answer that ends the stage: whoever is told 250 may look at once."""
        rule = self.rule_for(name, argument)
        if rule and rule.wait:
            await asyncio.sleep(rule.wait)
        if rule is None or not (rule.octets() or rule.then):
            before_yes()
        elif not rule.then and (rule.code() or 0) // 100 == 2:
            before_yes()
        if rule is None:
            return await self.plain_answer(normal) if normal else (None, None)
        if data := rule.octets():
            await self.wire.send(data, rule.drip)
        await self.finish(rule)
        if normal and not rule.octets() and not rule.then:
            return await self.plain_answer(normal)  # a rule that only waits
        return rule.code(), rule

    async def plain_answer(self, normal) -> tuple[int | None, Rule | None]:
        lines = [normal] if isinstance(normal, str) else normal
        await self.wire.send("".join(f"{line}\r\n" for line in lines).encode())
        return int(lines[-1][:3]), None

    def rule_for(self, name: str, argument: str) -> Rule | None:
        in_tls = self.wire.tls is not None
        for rule in self.settings.rules:
            if rule.applies(name, argument, in_tls, self.number, self.hello):
                return rule
        return None

    async def finish(self, rule: Rule):
        match rule.then:
            case "close":
                raise Ended("closed by rule")
            case "quiet-close":  # without close_notify
                self.wire.tls = None
                raise Ended("closed by rule, without close_notify")
            case "reset":
                self.wire.reset()
                raise Ended("reset by rule")
            case "stall":
                await self.wire.stall()

    async def run(self):
        await self.stage("connect", "", "")
        code, _ = await self.stage("greeting", "", f"220 {self.settings.raw['banner'] or self.settings.name} ESMTP")
        while True:
            line = (await self.wire.line()).decode("latin-1").rstrip("\r\n")
            verb, _, argument = line.partition(" ")
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                await self.stage("other", line, "500 5.5.1 unknown command")
            else:
                await handler(argument)

    async def on_ehlo(self, argument: str):
        words = [self.settings.name, *self.settings.keywords(self.wire.tls is not None)]
        lines = [f"250{'-' if i < len(words) - 1 else ' '}{w}" for i, w in enumerate(words)]
        code, _ = await self.stage("ehlo", argument, lines)
        self.begin(code, argument, True)

    async def on_helo(self, argument: str):
        code, _ = await self.stage("helo", argument, f"250 {self.settings.name}")
        self.begin(code, argument, False)

    def begin(self, code: int | None, helo: str, esmtp: bool):
        if code == 250:
            self.helo, self.esmtp = helo, esmtp
            self.forget()

    async def on_starttls(self, argument: str):
        offered = "STARTTLS" in self.settings.keywords(self.wire.tls is not None)
        normal = "220 2.0.0 ready" if offered else "502 5.5.1 not offered"
        code, rule = await self.stage("starttls", argument, normal)
        if code != 220 or rule and rule.then == "clear":
            return
        if any(r.hello_over for r in self.settings.rules):
            self.hello = await self.wire.client_hello_size()
        _, rule = await self.stage("handshake", "", "")
        if rule and rule.octets():
            return  # sent something of its own instead of a ServerHello, and goes on in clear
        await self.wire.handshake(self.settings.context())
        self.helo = ""
        self.forget()

    async def on_mail(self, argument: str):
        path = re.match(r"FROM: ?<([^>]*)>", argument, re.IGNORECASE)
        normal = "250 2.1.0 ok" if path and self.sender is None and self.helo else "503 5.5.1 bad sequence"
        code, _ = await self.stage("mail", argument, normal)
        if code and code // 100 == 2 and path:
            self.sender = path[1]

    async def on_rcpt(self, argument: str):
        path = re.match(r"TO: ?<([^>]*)>", argument, re.IGNORECASE)
        normal = "250 2.1.5 ok"
        if not path or self.sender is None:
            normal = "503 5.5.1 bad sequence"
        elif path[1].startswith(self.settings.unknown):
            normal = "550 5.1.1 no such mailbox"
        code, _ = await self.stage("rcpt", argument, normal)
        if code and code // 100 == 2 and path:
            self.recipients.append(path[1])

    async def on_data(self, argument: str):
        normal = "354 go ahead" if self.recipients else "554 5.5.1 no valid recipients"
        code, _ = await self.stage("data", argument, normal)
        if code != 354:
            return
        await self.stage("text", "", "")
        message = await self.read_message()
        await self.stage("body", message.decode("latin-1"), "250 2.0.0 taken", lambda: self.deliver(message))
        self.forget()

    async def on_bdat(self, argument: str):
        size, _, last = argument.partition(" ")
        offered = "CHUNKING" in self.settings.keywords(self.wire.tls is not None)
        code, _ = await self.stage("bdat", argument, "" if offered else "500 5.5.1 unknown command")
        if code is not None:
            return
        while len(self.wire.buffer) < int(size):
            await self.wire.fill()
        self.chunks += self.wire.buffer[: int(size)]
        self.wire.buffer = self.wire.buffer[int(size) :]
        message = self.chunks
        normal = "250 2.0.0 taken" if self.recipients else "503 5.5.1 bad sequence"
        if last.upper() == "LAST":
            await self.stage("body", message.decode("latin-1"), normal, lambda: self.deliver(message))
            self.forget()
        else:
            await self.stage("chunk", argument, normal)

    async def read_message(self) -> bytes:
        """Up to CRLF.CRLF; a lenient host also believes the ends that smuggling relies on (T-22)."""
        end = rb"(?:\A|\r?\n)\.\r?\n" if self.settings.raw["lenient"] else rb"(?:\A|\r\n)\.\r\n"
        wire, text, searched = self.wire, b"", 0
        while True:
            text += wire.buffer
            wire.buffer = b""
            if found := re.compile(end).search(text, max(0, searched - 5)):
                wire.buffer = text[found.end() :]
                body = text[: found.start()] + (b"\r\n" if found.start() else b"")
                return re.sub(rb"(\A|\r\n)\.", rb"\1", body)
            searched = len(text)
            await wire.fill()

    def deliver(self, message: bytes):
        """One file for each recipient, with the same header fields that the real servers add."""
        protocol = ("ESMTP" if self.esmtp else "SMTP") + ("S" if self.wire.tls else "")
        clause = f" ({self.wire.tls.version()} {self.wire.tls.cipher()[0]})" if self.wire.tls else ""
        for recipient in self.recipients:
            header = (
                f"Return-Path: <{self.sender}>\r\nDelivered-To: {recipient}\r\n"
                f"Received: from {self.helo} by {self.settings.name} with {protocol}{clause}; {formatdate()}\r\n"
            )
            box = self.settings.mail / recipient.rpartition("@")[2].lower()
            for directory in ("tmp", "new", "cur"):
                (box / directory).mkdir(parents=True, exist_ok=True)
            name = f"{time.time_ns()}.{next(serial)}.peer"
            (box / "tmp" / name).write_bytes(header.encode("latin-1") + message)
            (box / "tmp" / name).rename(box / "new" / name)

    async def on_rset(self, argument: str):
        await self.stage("rset", argument, "250 2.0.0 ok")
        self.forget()

    async def on_noop(self, argument: str):
        await self.stage("noop", argument, "250 2.0.0 ok")

    async def on_vrfy(self, argument: str):
        await self.stage("vrfy", argument, "252 2.0.0 try it")

    async def on_quit(self, argument: str):
        await self.stage("quit", argument, "221 2.0.0 bye")
        raise Ended("quit")


serial = itertools.count()


class Peer:
    """All listeners. `settings` is by address for SMTP and by name for HTTPS."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.numbers = itertools.count(1)
        self.smtp: dict[str, HostSettings] = {}
        self.listeners: dict[tuple[str, int], asyncio.Server] = {}
        self.changed = asyncio.Event()

    async def load(self):
        config = json.loads((self.directory / "peer.json").read_text())
        mail = Path(config["mail"])
        for address, raw in config["smtp"].items():
            if (known := self.smtp.get(address)) is None:
                self.smtp[address] = HostSettings(raw, mail, config["unknown"])
            elif known.raw != raw:
                known.become(raw)
        for address in set(self.smtp) - set(config["smtp"]):
            del self.smtp[address]
        self.https = config["https"]
        wanted = {(a, 25) for a in self.smtp} | {(a, 443) for a in config["https_addresses"]}
        for place in set(self.listeners) - wanted:
            self.listeners.pop(place).close()
        for place in wanted - set(self.listeners):
            handler = self.on_smtp if place[1] == 25 else self.on_https
            self.listeners[place] = await asyncio.start_server(handler, *place, backlog=1024)

    def transcript(self, host: str, writer: asyncio.StreamWriter, keep: bool) -> tuple[Transcript, int]:
        number = next(self.numbers)
        path = self.directory / "transcripts" / host / f"{number:06}.jsonl" if keep else None
        facts = {
            "host": host, "server": writer.get_extra_info("sockname")[0],
            "client": writer.get_extra_info("peername")[0],
        }  # fmt: skip
        return Transcript(path, **facts), number

    async def on_smtp(self, reader, writer):
        settings = self.smtp.get(writer.get_extra_info("sockname")[0])
        if settings is None:
            writer.close()
            return
        transcript, number = self.transcript(settings.name, writer, settings.raw["keep_transcript"])
        wire = Wire(reader, writer, transcript)
        await self.converse(wire, SmtpSession(wire, settings, number))

    async def on_https(self, reader, writer):
        transcript, _ = self.transcript("https", writer, True)
        wire = Wire(reader, writer, transcript)
        await self.converse(wire, HttpsSession(wire, self.https))

    async def converse(self, wire: Wire, session):
        writer = wire.writer
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await session.run()
        except Ended as end:
            wire.transcript.close(str(end))
        except Exception as error:
            wire.transcript.close(f"peer failed: {error!r}")
            raise
        finally:
            await wire.close()

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.changed.set)
        while True:
            await self.load()
            (self.directory / "loaded").write_text(str(time.time_ns()))
            await self.changed.wait()
            self.changed.clear()


async def main(directory: Path):
    await Peer(directory).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

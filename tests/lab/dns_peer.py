# SPDX-License-Identifier: Apache-2.0
"""A resolver that lies, on 127.0.0.2 to 127.0.0.9 of the relay's namespace and on its address beyond loopback, in
front of unbound on 127.0.0.1.

It passes everything on until rules.json in its directory says otherwise: a list of tables, of which
the first that matches a question is obeyed. `server` (one of its addresses), `type` and `name` (a
regular expression) choose questions; `do` is one of

    pass       hand on as it is
    strip-ad   clear AD in the answer
    set-ad     set AD in the answer
    believe    ask without validation (CD) and set AD: what is bogus comes as if it were proven
    no-edns    take EDNS, and with it DO, out of the question
    truncate   answer over UDP with TC and nothing else
    silent     no answer
    servfail, refused, notimp, formerr, nxdomain   that rcode, empty
    wrong-id   the right answer under another id
    garbage    octets that are no DNS message

Every question is a line of questions.jsonl: server, name, type, and the flags ad, cd, do.
"""

import asyncio
import json
import re
import struct
import sys
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from .addresses import RELAY_LINK

UPSTREAM = ("127.0.0.1", 53)
OWN = (*(f"127.0.0.{n}" for n in range(2, 10)), RELAY_LINK[0])
RCODES = {
    "servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "notimp": dns.rcode.NOTIMP,
    "formerr": dns.rcode.FORMERR, "nxdomain": dns.rcode.NXDOMAIN,
}  # fmt: skip
DEEDS = {"pass", "strip-ad", "set-ad", "believe", "no-edns", "truncate", "silent", "wrong-id", "garbage", *RCODES}


class Rules:
    def __init__(self, path: Path):
        self.path = path
        self.questions = open(path.with_name("questions.jsonl"), "a", buffering=1)

    def note(self, message: dns.message.Message, server: str):
        question = message.question[0]
        flags = {"ad": bool(message.flags & dns.flags.AD), "cd": bool(message.flags & dns.flags.CD)}
        asked = {"server": server, "name": question.name.to_text().rstrip("."), "type": dns.rdatatype.to_text(question.rdtype)}
        self.questions.write(json.dumps({**asked, **flags, "do": bool(message.ednsflags & dns.flags.DO)}) + "\n")

    def deed(self, question, server: str) -> str:
        """Read afresh for every question: what a test wrote is true from the next question on."""
        try:
            rules = json.loads(self.path.read_text())
        except FileNotFoundError:
            return "pass"
        name = question.name.to_text().rstrip(".")
        for rule in rules:
            if rule.get("server") not in (None, server):
                continue
            if rule.get("type") not in (None, dns.rdatatype.to_text(question.rdtype)):
                continue
            if re.search(rule.get("name", ""), name):
                return rule["do"]
        return "pass"


async def ask_upstream(query: bytes, over_tcp: bool) -> bytes:
    if over_tcp:
        reader, writer = await asyncio.open_connection(*UPSTREAM)
        try:
            writer.write(struct.pack("!H", len(query)) + query)
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            return await reader.readexactly(size)
        finally:
            writer.close()
    loop = asyncio.get_running_loop()
    answered = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: OneAnswer(answered), remote_addr=UPSTREAM)
    try:
        transport.sendto(query)
        return await answered
    finally:
        transport.close()


class OneAnswer(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future):
        self.answered = answered

    def datagram_received(self, data, _address):
        if not self.answered.done():
            self.answered.set_result(data)

    def error_received(self, error):
        if not self.answered.done():
            self.answered.set_exception(error)


async def answer(rules: Rules, server: str, query: bytes, over_tcp: bool) -> bytes | None:
    message = dns.message.from_wire(query)
    rules.note(message, server)
    deed = rules.deed(message.question[0], server)
    if deed == "silent":
        return None
    if deed == "garbage":
        return query[:2] + b"\xff" * 40
    if deed in RCODES or deed == "truncate" and not over_tcp:
        response = dns.message.make_response(message, recursion_available=True)
        response.set_rcode(RCODES.get(deed, dns.rcode.NOERROR))
        if deed == "truncate":
            response.flags |= dns.flags.TC
        return response.to_wire()
    if deed == "no-edns":
        message.use_edns(False)
        message.flags &= ~dns.flags.AD
        query = message.to_wire()
    if deed == "believe":
        message.flags |= dns.flags.CD
        query = message.to_wire()
    response = bytearray(await asyncio.wait_for(ask_upstream(query, over_tcp), 30))
    if deed == "strip-ad":
        response[3] &= ~0x20
    elif deed in ("set-ad", "believe"):
        response[3] |= 0x20
    elif deed == "wrong-id":
        response[0] ^= 0xFF
    return bytes(response)


class Udp(asyncio.DatagramProtocol):
    def __init__(self, rules: Rules, server: str):
        self.rules = rules
        self.server = server
        self.tasks: set = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        task = asyncio.ensure_future(self.reply(data, address))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def reply(self, data, address):
        response = await answer(self.rules, self.server, data, over_tcp=False)
        if response:
            self.transport.sendto(response, address)


async def tcp(rules: Rules, server: str, reader, writer):
    try:
        while True:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            response = await answer(rules, server, await reader.readexactly(size), over_tcp=True)
            if response:
                writer.write(struct.pack("!H", len(response)) + response)
                await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main(directory: Path):
    rules = Rules(directory / "rules.json")
    loop = asyncio.get_running_loop()
    for server in OWN:
        await loop.create_datagram_endpoint(lambda s=server: Udp(rules, s), local_addr=(server, 53))
        await asyncio.start_server(lambda r, w, s=server: tcp(rules, s, r, w), server, 53)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

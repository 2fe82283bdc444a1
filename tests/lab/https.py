# SPDX-License-Identifier: Apache-2.0
"""The HTTPS side of the scripted peer: policy hosts that nginx cannot be made into.

`script` is a list of steps. Each sends text (`{body}` is the domain's policy, `{length}` its size)
and may repeat, wait, drip, and end the connection. Without a script it is an ordinary policy host.
"""

import asyncio
import ssl

from .wire import VERSIONS, Ended, Wire

STEP_KEYS = {"send", "repeat", "wait", "drip", "then"}
GOOD = [{"send": "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"}]


class HttpsSession:
    def __init__(self, wire: Wire, hosts: dict[str, dict]):
        self.wire = wire
        self.hosts = hosts

    def context(self, tls_maximum: str) -> ssl.SSLContext:
        """The certificate is chosen by the name asked for; without a known name the handshake fails."""
        base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        base.set_ciphers("DEFAULT:@SECLEVEL=0")
        base.minimum_version = VERSIONS["1.0"]
        base.maximum_version = VERSIONS[tls_maximum or "1.3"]
        return base

    async def run(self):
        name = server_name(await self.client_hello())
        settings = self.hosts.get(name)
        if settings is None:
            raise Ended(f"no host is called {name!r}")
        context = self.context(settings["tls_maximum"])
        context.load_cert_chain(settings["certificate_file"])
        await self.wire.handshake(context)
        while (await self.wire.line()).strip():
            pass
        for step in settings["script"] or GOOD:
            await self.step(step, settings["body"])
        raise Ended("answered")

    async def client_hello(self) -> bytes:
        size = await self.wire.client_hello_size()
        while len(self.wire.buffer) < size:
            await self.wire.fill()
        return self.wire.buffer[:size]

    async def step(self, step: dict, body: str):
        text = step.get("send", "").replace("{length}", str(len(body))).replace("{body}", body)
        for _ in range(step.get("repeat", 1)):
            await asyncio.sleep(step.get("wait", 0))
            await self.wire.send(text.encode("latin-1"), step.get("drip", 0))
        match step.get("then", ""):
            case "stall":
                await self.wire.stall()
            case "reset":
                self.wire.reset()
                raise Ended("reset by script")
            case "close":
                raise Ended("closed by script")


def server_name(hello: bytes) -> str:
    """The SNI of a ClientHello record (RFC 8446 §4.1.2, RFC 6066 §3), or "" when there is none."""
    position = 5 + 4 + 2 + 32  # record and handshake header, version, random
    position += 1 + hello[position]  # session id
    position += 2 + int.from_bytes(hello[position : position + 2], "big")  # cipher suites
    position += 1 + hello[position]  # compression methods
    position += 2
    while position + 4 <= len(hello):
        kind = int.from_bytes(hello[position : position + 2], "big")
        length = int.from_bytes(hello[position + 2 : position + 4], "big")
        if kind == 0:
            return hello[position + 9 : position + 4 + length].decode("latin-1")
        position += 4 + length
    return ""

# SPDX-License-Identifier: Apache-2.0
"""A connection of the scripted peer: every octet is written down, with whether it came in clear.

TLS runs over memory buffers, not over the socket, so that the peer decides itself which octets are
TLS and which are not, and can send either at any moment.
"""

import asyncio
import json
import socket
import ssl
import struct
import time
from pathlib import Path

LONGEST_LINE = 1 << 20
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}  # fmt: skip


class Transcript:
    """One file of JSON lines for each session, complete at every moment. README.md has its form."""

    def __init__(self, path: Path | None, **facts):
        self.start = time.time()
        self.file = None
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = open(path, "w", buffering=1)
            self.write(started=self.start, **facts)

    def write(self, **event):
        if self.file:
            self.file.write(json.dumps({"at": round(time.time() - self.start, 4), **event}) + "\n")

    def close(self, end: str):
        if self.file:
            self.write(end=end)
            self.file.close()
            self.file = None


class Ended(Exception):
    """The session is over; the text says why."""


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transcript: Transcript):
        self.reader = reader
        self.writer = writer
        self.transcript = transcript
        self.buffer = b""
        self.tls: ssl.SSLObject | None = None
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()

    def note(self, who: str, data: bytes):
        self.transcript.write(**{"from": who, "clear": self.tls is None, "octets": data.decode("latin-1")})

    async def raw_read(self) -> bytes:
        try:
            return await self.reader.read(1 << 16)
        except OSError as error:
            raise Ended(f"connection lost: {error}") from None

    async def flush(self):
        self.writer.write(self.outgoing.read())
        await self.drain()

    async def drain(self):
        try:
            await self.writer.drain()
        except OSError as error:
            raise Ended(f"connection lost: {error}") from None

    async def fill(self):
        """Add what comes next to the buffer; the end of the stream ends the session."""
        data = await (self.read_tls() if self.tls else self.raw_read())
        if not data:
            raise Ended("client closed")
        self.note("client", data)
        self.buffer += data

    async def read_tls(self) -> bytes:
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                await self.flush()
                raw = await self.raw_read()
                if not raw:
                    raise Ended("client closed without close_notify") from None
                self.incoming.write(raw)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise Ended(f"TLS: {error.reason}") from None

    async def line(self) -> bytes:
        while b"\n" not in self.buffer:
            if len(self.buffer) > LONGEST_LINE:
                raise Ended("line too long")
            await self.fill()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    async def send(self, data: bytes, drip: float = 0):
        pieces = [data[i : i + 1] for i in range(len(data))] if drip else [data]
        for piece in pieces:
            self.note("server", piece)
            if self.tls:
                self.tls.write(piece)
                await self.flush()
            else:
                self.writer.write(piece)
                await self.drain()
            if drip:
                await asyncio.sleep(drip)

    async def client_hello_size(self) -> int:
        """How long the first TLS record will be; it stays in the buffer."""
        while len(self.buffer) < 5:
            await self.fill()
        return int.from_bytes(self.buffer[3:5], "big") + 5

    async def handshake(self, context: ssl.SSLContext):
        """What is buffered already belongs to the handshake: the client may not wait for us."""
        self.incoming.write(self.buffer)
        self.buffer = b""
        names = []
        context.sni_callback = lambda _object, name, _context: names.append(name)
        tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.flush()
                raw = await self.raw_read()
                if not raw:
                    self.transcript.write(tls_error="client closed during the handshake")
                    raise Ended("client closed during the handshake") from None
                self.incoming.write(raw)
            except ssl.SSLError as error:
                await self.flush()
                self.transcript.write(tls_error=error.reason or str(error))
                raise Ended(f"TLS handshake: {error.reason}") from None
        await self.flush()
        self.tls = tls
        self.transcript.write(
            tls=tls.version(), cipher=tls.cipher()[0], sni=names[-1] if names else None, resumed=tls.session_reused,
            shown=[name for kind, name in (tls.getpeercert() or {}).get("subjectAltName", ()) if kind == "DNS"],
        )  # fmt: skip

    async def stall(self):
        """Say nothing more; listen until the client goes away."""
        while True:
            await self.fill()
            self.buffer = b""

    def reset(self):
        """Closing with a linger time of zero makes the kernel send RST, not FIN."""
        option = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.writer.transport.abort()

    async def close(self):
        if self.tls:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # our close_notify is in the buffer all the same
            self.writer.write(self.outgoing.read())
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

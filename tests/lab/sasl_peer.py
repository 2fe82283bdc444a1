# SPDX-License-Identifier: Apache-2.0
"""Who verifies passwords for the lab's Postfix: the server's side of Dovecot's auth client protocol (version 1.1), which is how
Postfix asks a Dovecot. It knows PLAIN and LOGIN, and one account."""

import asyncio
import base64
import binascii

ADDRESS = ("127.0.0.1", 12345)
ACCOUNT = ("satellite", "correct horse 9 battery-staple")
HELLO = ["VERSION\t1\t1", "MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext", "SPID\t1", "CUID\t1", f"COOKIE\t{'0' * 32}", "DONE"]


class Exchange:
    def __init__(self, mechanism: str):
        self.mechanism = mechanism
        self.heard: list[str] = []

    def answer(self, response: str | None) -> tuple[str, str]:
        """The verb of the reply, and what follows the id."""
        if response is not None:
            self.heard.append(base64.b64decode(response).decode())
        if self.mechanism == "PLAIN":
            if not self.heard:
                return "CONT", ""
            words = self.heard[0].split("\0")
            return ("OK", f"user={words[1]}") if len(words) == 3 and tuple(words[1:]) == ACCOUNT else ("FAIL", "")
        if len(self.heard) < 2:
            return "CONT", base64.b64encode((b"Username:", b"Password:")[len(self.heard)]).decode()
        return ("OK", f"user={self.heard[0]}") if tuple(self.heard) == ACCOUNT else ("FAIL", "")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
    exchanges: dict[str, Exchange] = {}
    writer.write(("\n".join(HELLO) + "\n").encode())
    while line := (await reader.readline()).decode().rstrip("\n"):
        verb, *words = line.split("\t")
        if verb not in ("AUTH", "CONT"):
            continue
        id = words[0]
        if verb == "AUTH":
            exchanges[id] = Exchange(words[1])
        given = next((word[5:] for word in words if word.startswith("resp=")), None) if verb == "AUTH" else words[1]
        try:
            reply, rest = exchanges[id].answer(given)
        except (KeyError, ValueError, binascii.Error):
            reply, rest = "FAIL", ""
        if reply != "CONT":
            exchanges.pop(id, None)
        writer.write(f"{reply}\t{id}\t{rest}\n".encode())
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, *ADDRESS)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

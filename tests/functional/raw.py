# SPDX-License-Identifier: Apache-2.0
"""A client that says what it is told to, octet by octet, in clear or inside TLS."""

import socket
import ssl

HELLO, MAIL = "EHLO client.home.test", "MAIL FROM:<anna@home.test>"


def unverified(ciphers: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    return context


class Raw:
    """`first` goes out before anything else; `tls`: the connection begins with it."""

    def __init__(self, lab, port: int, first: bytes = b"", tls: ssl.SSLContext | None = None):
        self.socket: socket.socket = lab.connect("127.0.0.1", port, 20)
        self.send(first)
        self.over(tls)
        self.greeting = self.answer()

    def over(self, tls: ssl.SSLContext | None):
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def lines(self) -> list[str]:
        """The next reply; one empty line when the relay has closed."""
        found: list[str] = []
        while True:
            try:
                found.append(self.file.readline().decode("latin-1").rstrip("\r\n"))
            except (ConnectionResetError, ssl.SSLEOFError):  # it did not read what we sent either
                found.append("")
            if found[-1][3:4] != "-":
                return found

    def answer(self) -> str:
        """The last line of the next reply; nothing when the relay has closed."""
        return self.lines()[-1]

    def send(self, octets: bytes):
        self.socket.sendall(octets)

    def say(self, line: str | bytes) -> str:
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.answer()

    def starttls(self, tls: ssl.SSLContext):
        assert self.say("STARTTLS").startswith("220")
        self.file.close()
        self.over(tls)

    def begin(self, recipient: str):
        for line in (HELLO, MAIL, f"RCPT TO:<{recipient}>"):
            assert self.say(line).startswith("250"), line

# SPDX-License-Identifier: Apache-2.0
"""Memory of the relay per inbound session that says EHLO, or logs in inside TLS, and then nothing."""

import base64
import functools
import hashlib
import hmac
import resource
import socket
import ssl
import time

from measure import resident_bytes
from world import Missing


def _converse(connection, expected, line=b""):
    if line:
        connection.sendall(line)
    reply = b""
    while not (reply.endswith(b"\n") and reply.splitlines()[-1][3:4] == b" "):
        got = connection.recv(4096)
        if not got:
            raise Missing("the relay closed an idle session")
        reply += got
    if not reply.startswith(expected):
        raise Missing(f"the relay answered {reply!r}")
    return reply


@functools.cache
def _salted(password, salt, rounds):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)


class Login:
    """A session on port 465: TLS from the first octet, then SCRAM-SHA-256 (RFC 7677), which costs the relay no hash."""

    def __init__(self, port, user, password):
        self.port, self.user, self.password = port, user, password
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def secure(self, connection):
        return self.context.wrap_socket(connection)

    def enter(self, connection):
        bare = f"n={self.user},r=idle"
        said = _converse(connection, b"334", b"AUTH SCRAM-SHA-256 " + base64.b64encode(f"n,,{bare}".encode()) + b"\r\n")
        first = base64.b64decode(said[4:]).decode()
        words = dict(word.split("=", 1) for word in first.split(","))
        salted = _salted(self.password, base64.b64decode(words["s"]), int(words["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={words['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{first},{last}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        _converse(connection, b"334", base64.b64encode(f"{last},p={proof}".encode()) + b"\r\n")
        _converse(connection, b"235", b"\r\n")


def measure(server, sessions, login=None):
    """Opens `sessions` connections from 127.0.1.1, 127.0.1.2, ... (100 each, so that no limit per client bites)."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (sessions + 1000, max(sessions + 1000, 20000)))
    connections = []
    for warm_up in range(2):  # the first round pays for what is allocated once
        del warm_up
        connections = [_begin(server, 0, login)]
        connections[0].close()
    time.sleep(1)
    before = resident_bytes(server.pid)
    connections = []
    for number in range(sessions):
        connections.append(_begin(server, number, login))
    time.sleep(2)
    after = resident_bytes(server.pid)
    _converse(connections[0], b"250", b"NOOP\r\n")
    _converse(connections[-1], b"250", b"NOOP\r\n")
    for connection in connections:
        connection.close()
    return {"sessions": sessions, "bytes_before": before, "bytes_after": after,
            "bytes_per_session": (after - before) / sessions}


def _begin(server, number, login):
    connection = _open(login.port if login else server.port, number, login)
    _converse(connection, b"250", b"EHLO idle.bench.test\r\n")
    if login:
        login.enter(connection)
    return connection


def _open(port, number, login=None):
    connection = socket.socket()
    connection.bind((f"127.0.{1 + number // 25000}.{1 + number // 100 % 250}", 0))
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    if login:
        connection = login.secure(connection)
    _converse(connection, b"220")
    return connection

# SPDX-License-Identifier: Apache-2.0
"""Memory of the relay per inbound session that says EHLO and then nothing."""

import resource
import socket
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


def measure(server, sessions):
    """Opens `sessions` connections from 127.0.1.1, 127.0.1.2, ... (100 each, so that no limit per client bites)."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (sessions + 1000, max(sessions + 1000, 20000)))
    connections = []
    for warm_up in range(2):  # the first round pays for what is allocated once
        del warm_up
        connections = [_open(server.port, 0)]
        _converse(connections[0], b"250", b"EHLO idle.bench.test\r\n")
        connections[0].close()
    time.sleep(1)
    before = resident_bytes(server.pid)
    connections = []
    for number in range(sessions):
        connections.append(_open(server.port, number))
        _converse(connections[-1], b"250", b"EHLO idle.bench.test\r\n")
    time.sleep(2)
    after = resident_bytes(server.pid)
    _converse(connections[0], b"250", b"NOOP\r\n")
    _converse(connections[-1], b"250", b"NOOP\r\n")
    for connection in connections:
        connection.close()
    return {"sessions": sessions, "bytes_before": before, "bytes_after": after,
            "bytes_per_session": (after - before) / sessions}


def _open(port, number):
    connection = socket.socket()
    connection.bind((f"127.0.{1 + number // 25000}.{1 + number // 100 % 250}", 0))
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    _converse(connection, b"220")
    return connection

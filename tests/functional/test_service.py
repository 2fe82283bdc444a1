# SPDX-License-Identifier: Apache-2.0
"""What a service manager is told over NOTIFY_SOCKET, and what its watchdog rests on."""

import ctypes
import os
import socket
import sys
from pathlib import Path

import pytest
from lab.world import wait_for
from relay import Relay, ports

WATCHDOG = 2_000_000  # microseconds; a sign of life is due every quarter of it


class Manager:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def hears(self, line: str, times: int = 1) -> bool:
        return wait_for(lambda: self.listen().count(line) >= times, 20)

    def forget(self):
        self.listen()
        self.heard.clear()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"@sealpost-test-{os.getpid()}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


@pytest.fixture
def served(lab, tmp_path, manager):
    """A relay with a service manager. Network namespaces have their own abstract names, so the socket is made there."""
    one = Relay(lab, tmp_path / "relay", shutdown_grace="3s", workers=2)
    one.prefix = ["env", f"NOTIFY_SOCKET={manager.address}", f"WATCHDOG_USEC={WATCHDOG}"]
    yield one
    one.kill()


def test_a_service_manager_hears_of_start_reload_and_end(served, manager, lab):
    if manager.address.startswith("@"):
        manager.socket.close()
        with lab.entered():
            manager.__init__(manager.address)
    served.start()
    assert manager.hears("READY=1")
    assert "STATUS=starting: reads the journal" in manager.heard
    assert manager.hears("STATUS=taking mail; 0 messages wait")
    assert manager.hears("WATCHDOG=1", 3)

    manager.forget()
    served.reload()
    assert manager.hears("READY=1")
    begun = manager.heard.index("RELOADING=1")
    assert manager.heard[begun + 1].startswith("MONOTONIC_USEC=") and begun < manager.heard.index("READY=1")

    manager.forget()
    served.config.write_text("hostname = 7\n")
    served.reload()
    assert manager.hears("READY=1"), "a refused reload has no end"

    manager.forget()
    assert served.stop() == 0
    assert manager.hears("STOPPING=1")
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=13000000") for line in manager.heard)


def test_D28_a_thread_that_stands_still_ends_the_signs_of_life(lab, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    one = Relay(lab, tmp_path / "relay", workers=2)
    one.prefix = ["env", f"NOTIFY_SOCKET={manager.address}", f"WATCHDOG_USEC={WATCHDOG}"]
    one.start()
    try:
        assert manager.hears("WATCHDOG=1")
        threads = [int(path.name) for path in Path(f"/proc/{one.process.pid}/task").iterdir()]
        stuck = set()
        for thread in threads:
            if thread == one.process.pid:
                continue
            with stopped(thread):
                manager.forget()
                # Nothing for several times as long as is due, or life goes on without this thread.
                if not wait_for(lambda: "WATCHDOG=1" in manager.listen(), 3 * WATCHDOG / 1e6):
                    stuck.add(thread)
            assert manager.hears("WATCHDOG=1"), "it does not come back to life"
        assert len(stuck) >= 3, "two workers and the resolver are what mail needs"
        assert "thread worker 1" in one.log.read_text() and "thread worker 2" in one.log.read_text()
    finally:
        one.kill()


class stopped:
    """One thread of another process, held still: ptrace(2) does not care that it is no child."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    WALL = 0x40000000

    def __init__(self, thread: int):
        self.thread = thread
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long

    def ptrace(self, request: int):
        if self.libc.ptrace(request, self.thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace of thread {self.thread}")

    def __enter__(self):
        self.ptrace(self.SEIZE)
        self.ptrace(self.INTERRUPT)
        os.waitpid(self.thread, self.WALL)

    def __exit__(self, *_):
        self.ptrace(self.DETACH)


HANDED_OVER = """
import os, socket, sys
sockets = []
for place in sys.argv[1].split(","):
    host, _, port = place.rpartition(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, int(port)))
    one.listen(64)
    sockets.append(one)
high = [os.dup2(one.fileno(), 100 + i, inheritable=False) for i, one in enumerate(sockets)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_sockets_that_a_manager_hands_over_are_used_by_whatever_listens_there(lab, tmp_path):
    """Nobody could bind these addresses again: who does not take the sockets does not start."""
    one = Relay(lab, tmp_path / "relay", control={"http": f"127.0.0.1:{(http := next(ports))}"},
                tls_rpt={"receive_http": f"127.0.0.1:{(reports := next(ports))}"})  # fmt: skip
    places = ",".join(f"127.0.0.1:{port}" for port in (one.port, http, reports))
    one.prefix = [sys.executable, "-B", "-c", HANDED_OVER, places]
    try:
        one.start()
        for port, request, answer in ((http, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
                                      (reports, b"GET /tlsrpt HTTP/1.1\r\nHost: x\r\n\r\n", b" 405 ")):  # fmt: skip
            with lab.connect("127.0.0.1", port, timeout=10) as connection:
                connection.sendall(request)
                assert answer in connection.recv(4096)
        one.wait_gone(one.submit("a@home.test", "b@clear.test", b"Subject: x\r\n\r\nx\r\n"))
        assert not one.events("inherited_socket_unused")
    finally:
        one.kill()

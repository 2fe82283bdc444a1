# SPDX-License-Identifier: Apache-2.0
"""Making and entering namespaces.

None of them has a name: a network, mount or process namespace is gone with its last process, and
everything in the lab's process namespace dies with its process 1. So nothing can be left over,
whatever ends the lab.
"""

import contextlib
import ctypes
import errno
import ipaddress
import os
import socket
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def new_network_and_mounts(probe: Path):
    """Leave for a network and a mount namespace of our own; no mount made here is seen outside."""
    outside = open("/proc/self/mountinfo")  # stays a view of the old namespace
    checked(libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    try:
        checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A plain chroot: "/" is no mount point, so it cannot be made private. Whether that matters
        # depends on the mount below it, which cannot be seen from here; so try.
        refuse_shared_root(probe, outside)
    outside.close()


def refuse_shared_root(probe: Path, outside):
    probe.mkdir(exist_ok=True)
    checked(libc.mount(b"none", bytes(probe), b"tmpfs", 0, None), "mount a probe")
    leaked = any(line.split()[4] == str(probe) for line in outside)
    checked(libc.umount2(bytes(probe), 0), "unmount the probe")
    if leaked:
        raise RuntimeError(
            "this root is a directory of a shared mount, so our mounts would be seen outside; "
            "run `mount --bind DIR DIR && mount --make-private DIR` on it before chroot"
        )


def die_with_parent():
    """For preexec_fn: the child gets SIGKILL when whoever started it is gone."""
    libc.prctl(PR_SET_PDEATHSIG, 9)


@contextlib.contextmanager
def entered(pid: int):
    """Sockets opened by this thread live in the network namespace of `pid` for good."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        checked(libc.setns(there, CLONE_NEWNET), "setns")
        yield
    finally:
        checked(libc.setns(home, CLONE_NEWNET), "setns")
        os.close(there)
        os.close(home)


def command_in(pid: int, command: list) -> list[str]:
    """The same process, moved into the network and mount namespaces of `pid`, then turned into `command`.

    It dies with its parent. The root must be named: entering a mount namespace leaves a chroot.
    """
    return [
        "/usr/bin/nsenter", f"--target={pid}", "--net", "--mount", "--root", f"--wdns={os.getcwd()}",
        "/usr/bin/setpriv", "--pdeathsig", "KILL", *map(str, command),
    ]  # fmt: skip


def address_of_hex(text: str) -> str:
    """/proc/net writes an address as 32-bit words in the machine's own byte order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def listening(pid: int) -> set[tuple[str, int]]:
    """Every (address, port) that accepts connections in the network namespace of `pid`.

    Read from /proc, so that looking does not connect: a connection would show in transcripts.
    """
    found = set()
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        for line in lines:
            _, local, _, state = line.split()[:4]
            if state == "0A":  # LISTEN
                address, port = local.split(":")
                found.add((address_of_hex(address), int(port, 16)))
    return found


def udp_bound(pid: int) -> set[tuple[str, int]]:
    found = set()
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            found.add((address_of_hex(address), int(port, 16)))
    return found


def control(path: Path, request: str, timeout: float = 10) -> str:
    """One request, one answer, over a Unix socket. Those with a path are seen from every namespace."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(request.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.decode()

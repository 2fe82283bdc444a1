# SPDX-License-Identifier: Apache-2.0
"""The real servers of the lab, one module each: their files, their command, their addresses.

A server is described by the table alone. When the table changes, its files are written again, and
if any of them differs it is told to read them again.
"""

import signal
from pathlib import Path

# Users that the servers insist on. They exist inside the lab's mount namespace only.
USERS = {"postfix": 61901, "postdrop": 61902, "Debian-exim": 61903, "opensmtpd": 61904, "opensmtpq": 61905, "vmail": 61906, "dovecot": 61907, "dovenull": 61908}
UNKNOWN_RECIPIENT = "unknown"  # a local part that begins so exists nowhere


class Server:
    name = ""
    namespace = "world"
    packages: tuple[str, ...] = ()  # trees to lay over /usr
    user = "root"

    def __init__(self, lab):
        self.lab = lab
        self.directory: Path = lab.directory / self.name

    def prepare(self):
        """Directories, owners: what must be there before the first start."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def files(self) -> dict[Path, str | bytes]:
        return {}

    def command(self) -> list[str]:
        raise NotImplementedError

    def listens(self) -> set[tuple[str, int]]:
        """Where it will be listening once it has read the present files."""
        return set()

    def in_transit(self) -> tuple[Path, ...]:
        """Directories that hold files as long as mail that was answered 250 is on its way into a maildir."""
        return ()

    def reload(self):
        self.lab.signal(self.name, signal.SIGHUP)

    def everywhere(self, peer: str, port: int = 25) -> set[tuple[str, int]]:
        return {(a, port) for h in self.lab.table.hosts(peer) for a in [*h.v4, *h.v6]}


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def all_servers() -> list[type[Server]]:
    from . import dovecot, exim, nginx, nsd, opensmtpd, peers, postfix, unbound

    return [
        nsd.Nsd, unbound.Unbound, nginx.Nginx, postfix.Postfix, exim.Exim, opensmtpd.OpenSmtpd, opensmtpd.Stunnel,
        peers.Peer, peers.DnsPeer, peers.SaslPeer, dovecot.Dovecot,
    ]  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""nsd serves every zone of the lab, the root included."""

import time

from .. import addresses, namespaces
from ..zones import LAME, ZONES
from . import Server


class Nsd(Server):
    name = "nsd"
    packages = ("nsd",)

    @property
    def socket(self):
        return self.directory / "control.sock"

    def files(self):
        lines = [
            "server:",
            *[f"  ip-address: {a}" for a in addresses.DNS],
            '  username: ""',
            '  chroot: ""',
            '  database: ""',
            '  pidfile: ""',
            f'  xfrdfile: "{self.directory}/xfrd.state"',
            f'  zonelistfile: "{self.directory}/zone.list"',
            f'  zonesdir: "{self.directory}"',
            f'  xfrdir: "{self.directory}"',
            "  server-count: 1",
            "  rrl-ratelimit: 0",  # one resolver asks everything; nsd would take it for an attack
            "remote-control:",
            "  control-enable: yes",
            f'  control-interface: "{self.socket}"',
        ]
        for zone in (*ZONES, LAME):
            lines += ["zone:", f'  name: "{zone}"', f'  zonefile: "{self.lab.zones.file(zone)}"']
        return {self.directory / "nsd.conf": "\n".join(lines) + "\n"}

    def command(self):
        return ["nsd", "-d", "-c", str(self.directory / "nsd.conf")]

    def listens(self):
        return {(a, 53) for a in addresses.DNS}

    def reload(self):
        """nsd answers at once and reloads after; the zone's serial tells when it is true."""
        answer = namespaces.control(self.socket, "NSDCT1 reload\n")
        if not answer.startswith("ok"):
            raise RuntimeError(f"nsd does not reload: {answer.strip()}")
        deadline = time.monotonic() + 10
        while self.lab.served_serial() != self.lab.serial:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nsd still serves zones older than serial {self.lab.serial}; see log/nsd.out")
            time.sleep(0.02)

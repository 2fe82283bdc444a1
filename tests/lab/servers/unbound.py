# SPDX-License-Identifier: Apache-2.0
"""unbound validates for the relay, on the relay's loopback, from the lab's own root and anchor."""

from .. import addresses, namespaces
from . import Server


class Unbound(Server):
    name = "unbound"
    namespace = "relay"
    packages = ("unbound",)

    @property
    def socket(self):
        return self.directory / "control.sock"

    def files(self):
        hints = self.directory / "root.hints"
        lines = [
            "server:",
            "  interface: 127.0.0.1",
            "  interface: ::1",
            '  username: ""',
            '  chroot: ""',
            '  pidfile: ""',
            f'  directory: "{self.directory}"',
            "  use-syslog: no",
            "  verbosity: 1",
            f'  root-hints: "{hints}"',
            f'  trust-anchor-file: "{self.lab.zones.trust_anchor}"',
            "  trust-anchor-signaling: no",
            '  local-zone: "test." nodefault',  # else it answers test. itself, from a built-in zone
            "  num-threads: 1",
            "  prefetch: no",
            "  aggressive-nsec: no",  # tests add names where a cached NSEC says there are none
            "  cache-max-negative-ttl: 5",
            "  val-bogus-ttl: 1",
            "  infra-host-ttl: 5",
            "  infra-keep-probing: yes",
            "remote-control:",
            "  control-enable: yes",
            f'  control-interface: "{self.socket}"',
            "  control-use-cert: no",
        ]
        v4, v6 = addresses.DNS
        return {
            self.directory / "unbound.conf": "\n".join(lines) + "\n",
            hints: f". 3600 IN NS ns.test.\nns.test. 3600 IN A {v4}\nns.test. 3600 IN AAAA {v6}\n",
        }

    def command(self):
        return ["unbound", "-d", "-p", "-c", str(self.directory / "unbound.conf")]

    def listens(self):
        return {("127.0.0.1", 53), ("::1", 53)}

    def forget(self):
        """Drop everything cached, so that changed zones are seen at once."""
        for request in ("flush_zone .", "flush_infra all"):
            namespaces.control(self.socket, f"UBCT1 {request}\n")

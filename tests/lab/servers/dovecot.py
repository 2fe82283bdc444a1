# SPDX-License-Identifier: Apache-2.0
"""Dovecot, for authentication alone: it knows whose password is whose, and keeps no mail.

It listens beside the relay, on a socket in the file system and on loopback. Each account is one line of `users`, a passwd-file of
Dovecot's.
"""

from . import Server

ADDRESS = ("127.0.0.1", 12346)
# Name: password, and further fields of Dovecot's. What `user=` says is the account's name.
ACCOUNTS = {
    "anna@home.test": ("correct horse 9 battery-staple", ""),
    "post": ("correct horse 9 battery-staple", ""),
    "alias": ("correct horse 9 battery-staple", "user=anna@home.test"),
    "closed@home.test": ("correct horse 9 battery-staple", ""),
    "locked@home.test": ("correct horse 9 battery-staple", "nologin=y"),
}


class Dovecot(Server):
    name = "dovecot"
    namespace = "relay"
    packages = ("dovecot-core",)

    @property
    def socket(self):
        return self.directory / "auth"

    def prepare(self):
        super().prepare()
        self.directory.chmod(0o755)

    def files(self):
        users = "".join(f"{name}:{{PLAIN}}{password}::::::{more}\n" for name, (password, more) in ACCOUNTS.items())
        lines = [
            "protocols =",
            f"base_dir = {self.directory}/run",
            f"state_dir = {self.directory}/state",
            "log_path = /dev/stderr",
            "ssl = no",
            "auth_mechanisms = plain login",
            "auth_failure_delay = 1 secs",
            "passdb {\n  driver = passwd-file\n  args = username_format=%u " + f"{self.directory}/users\n}}",
            "service auth {",
            f"  unix_listener {self.socket} {{\n    mode = 0666\n  }}",
            f"  inet_listener {{\n    address = {ADDRESS[0]}\n    port = {ADDRESS[1]}\n  }}",
            "}",
        ]
        return {self.directory / "dovecot.conf": "\n".join(lines) + "\n", self.directory / "users": users}

    def command(self):
        return ["dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]

    def listens(self):
        return {ADDRESS}

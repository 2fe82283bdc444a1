# SPDX-License-Identifier: Apache-2.0
"""OpenSMTPD receives for every host with `peer = "opensmtpd"`, behind stunnel.

OpenSMTPD 6.8 cannot do TLS with OpenSSL 3, so it listens in the clear on port 10025 of the host's
own address, and stunnel answers port 25 there, speaks STARTTLS and passes the rest on. stunnel
cannot offer TLS and do without it: a host with `starttls = false` is OpenSMTPD alone, on port 25.
"""

import hashlib
import os

from . import UNKNOWN_RECIPIENT, USERS, Server, bracketed


class OpenSmtpd(Server):
    name = "opensmtpd"
    packages = ("opensmtpd",)

    def prepare(self):
        super().prepare()
        spool = self.directory / "spool"
        for name, mode, user, group in (
            ("", 0o711, "root", "root"), ("queue", 0o700, "opensmtpq", "root"), ("purge", 0o700, "opensmtpq", "root"),
            ("offline", 0o770, "root", "opensmtpq"), ("corrupt", 0o700, "opensmtpq", "root"),
            ("temporary", 0o700, "opensmtpq", "root"), ("incoming", 0o700, "opensmtpq", "root"),
        ):  # fmt: skip
            (spool / name).mkdir(exist_ok=True)
            os.chown(spool / name, USERS.get(user, 0), USERS.get(group, 0))
            (spool / name).chmod(mode)

    def in_transit(self):
        return self.directory / "spool" / "incoming", self.directory / "spool" / "queue"

    def files(self):
        lines = []
        for host in self.lab.table.hosts("opensmtpd"):
            port = 10025 if host.starttls else 25
            lines += [f"listen on {a} port {port} hostname {host.name}" for a in [*host.v4, *host.v6]]
        if not lines:
            lines = ["listen on 127.0.0.1 port 10025"]
        lines += [
            'table everyone { "@" = vmail }',
            f'action deliver maildir "{self.lab.mail}/%{{rcpt.domain}}" virtual <everyone>',
            f'match from any for any rcpt-to regex "^{UNKNOWN_RECIPIENT}" reject',
            "match from any for any action deliver",
        ]
        return {self.directory / "smtpd.conf": "\n".join(lines) + "\n"}

    def command(self):
        return ["smtpd", "-d", "-f", str(self.directory / "smtpd.conf")]

    def reload(self):
        self.lab.restart(self.name)  # it reads its configuration once


class Stunnel(Server):
    name = "stunnel"
    packages = ("stunnel4",)

    def files(self):
        lines = ["foreground = yes", "pid =", "syslog = no", "debug = 4"]
        for number, host in enumerate(h for h in self.lab.table.hosts("opensmtpd") if h.starttls):
            # The digest makes a new certificate a new file, so that stunnel is told to reload.
            lines.append(f"; {hashlib.sha256(self.lab.certificate_file(host).read_bytes()).hexdigest()}")
            for address in [*host.v4, *host.v6]:
                lines += [
                    f"[{number}-{address}]", "protocol = smtp", f"accept = {address}:25",
                    f"connect = {address}:10025", f"cert = {self.lab.certificate_file(host)}",
                ]  # fmt: skip
        if len(lines) == 4:
            lines += ["[nothing]", "accept = 127.0.0.1:10465", "connect = 127.0.0.1:10025"]
        return {self.directory / "stunnel.conf": "\n".join(lines) + "\n"}

    def command(self):
        return ["stunnel4", str(self.directory / "stunnel.conf")]

    def listens(self):
        return {
            (a, 25) for h in self.lab.table.hosts("opensmtpd") if h.starttls for a in [*h.v4, *h.v6]
        }

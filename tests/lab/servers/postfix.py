# SPDX-License-Identifier: Apache-2.0
"""Postfix receives for every host with `peer = "postfix"`: one smtpd service for each address.

All domains are local everywhere, each with one maildir, so a host that two domains share needs no
further word. Nothing is looked up and nothing leaves.
"""

import hashlib
import os

from . import UNKNOWN_RECIPIENT, USERS, Server, bracketed

QUEUE = "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace".split()

MAIN = """\
compatibility_level = 3.6
myhostname = mx.postfix.test
queue_directory = {directory}/queue
data_directory = {directory}/data
meta_directory = {directory}
maillog_file = {log}/postfix.log
maillog_file_prefixes = {log}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = all
inet_protocols = all
mydestination =
mynetworks =
alias_maps =
virtual_mailbox_domains = texthash:{directory}/domains
virtual_mailbox_maps = texthash:{directory}/mailboxes
virtual_mailbox_base = {mail}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_mailbox_limit = 0
message_size_limit = 52428800
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access regexp:{{{{/^{unknown}/ 550 5.1.1 no such mailbox}}}}, permit
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtpd_tls_security_level = may
smtpd_tls_session_cache_database =
tls_random_source = dev:/dev/urandom
default_process_limit = 200
default_transport = error:the lab delivers nothing outside
biff = no
"""

SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    name = "postfix"
    packages = ("postfix",)

    def prepare(self):
        """What `postfix check` would make. Running it takes a second; the list has not changed in years."""
        super().prepare()
        for name in ("queue", "data"):
            (self.directory / name).mkdir(exist_ok=True)
        for name in QUEUE:
            (self.directory / "queue" / name).mkdir(exist_ok=True)
        mail_owner = USERS["postfix"]
        for name in {*QUEUE} - {"pid"}:
            os.chown(self.directory / "queue" / name, mail_owner, -1)
        for name, mode in (("public", 0o710), ("maildrop", 0o730)):
            os.chown(self.directory / "queue" / name, mail_owner, USERS["postdrop"])
            (self.directory / "queue" / name).chmod(mode)
        os.chown(self.directory / "data", mail_owner, -1)

    def files(self):
        listeners = []
        for host in self.lab.table.hosts("postfix"):
            options = f"-o myhostname={host.name} {self.tls_options(host)}"
            # The digest makes a new certificate a new file, so that Postfix is told to reload.
            listeners.append(f"# {host.name} {hashlib.sha256(self.lab.certificate_file(host).read_bytes()).hexdigest()}")
            listeners += [f"{bracketed(a)}:25 inet n - n - - smtpd {options}" for a in [*host.v4, *host.v6]]
        main = MAIN.format(
            directory=self.directory, log=self.lab.directory / "log", mail=self.lab.mail, uid=USERS["vmail"],
            unknown=UNKNOWN_RECIPIENT,
        )  # fmt: skip
        names = [d.fqdn for d in self.lab.table.domains.values()]
        return {
            self.directory / "main.cf": main,
            self.directory / "master.cf": SERVICES + "".join(f"{line}\n" for line in listeners),
            self.directory / "domains": "".join(f"{name} here\n" for name in names),
            self.directory / "mailboxes": "".join(f"@{name} {name}/\n" for name in names),
            self.directory / "dynamicmaps.cf": "",
        }

    def tls_options(self, host) -> str:
        if not host.starttls:
            return "-o smtpd_tls_security_level=none"
        return f"-o smtpd_tls_chain_files={self.lab.certificate_file(host)}"

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", str(self.directory)]

    def listens(self):
        return self.everywhere("postfix")

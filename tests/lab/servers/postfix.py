# SPDX-License-Identifier: Apache-2.0
"""Postfix receives for every host with `peer = "postfix"`: one smtpd service for each address.

All domains are local everywhere, each with one maildir, so a host that two domains share needs no
further word. Nothing is looked up and nothing leaves.
"""

import hashlib

from .. import postfix_tree
from ..sasl_peer import ADDRESS
from . import UNKNOWN_RECIPIENT, USERS, Server, bracketed

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

# Hosts whose name begins so also take mail from who logs in, on 587 and 465.
SUBMITS = "submit"
SUBMISSION = (
    "-o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot "
    f"-o smtpd_sasl_path=inet:{ADDRESS[0]}:{ADDRESS[1]} -o smtpd_relay_restrictions=permit_sasl_authenticated,reject "
    "-o smtpd_sasl_authenticated_header=yes"
)
WRAPPED = "-o smtpd_tls_wrappermode=yes"

SERVICES = postfix_tree.SERVICES + "virtual unix - n n - - virtual\n"


class Postfix(Server):
    name = "postfix"
    packages = ("postfix",)

    def prepare(self):
        super().prepare()
        postfix_tree.make(self.directory, USERS["postfix"], USERS["postdrop"])

    def files(self):
        listeners = []
        for host in self.lab.table.hosts("postfix"):
            options = f"-o myhostname={host.name} {self.tls_options(host)}"
            # The digest makes a new certificate a new file, so that Postfix is told to reload.
            listeners.append(f"# {host.name} {hashlib.sha256(self.lab.certificate_file(host).read_bytes()).hexdigest()}")
            listeners += [f"{bracketed(a)}:25 inet n - n - - smtpd {options}" for a in [*host.v4, *host.v6]]
            if host.name in self.submission():
                listeners += [f"{bracketed(a)}:587 inet n - n - - smtpd {options} {SUBMISSION}" for a in [*host.v4, *host.v6]]
                listeners += [f"{bracketed(a)}:465 inet n - n - - smtpd {options} {SUBMISSION} {WRAPPED}" for a in [*host.v4, *host.v6]]
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

    def submission(self) -> set[str]:
        return {h.name for h in self.lab.table.hosts("postfix") if h.name.startswith(SUBMITS)}

    def in_transit(self):
        return self.directory / "queue" / "incoming", self.directory / "queue" / "active"

    def tls_options(self, host) -> str:
        if not host.starttls:
            return "-o smtpd_tls_security_level=none"
        return f"-o smtpd_tls_chain_files={self.lab.certificate_file(host)}"

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", str(self.directory)]

    def listens(self):
        return self.everywhere("postfix")

# SPDX-License-Identifier: Apache-2.0
"""Exim receives for every host with `peer = "exim"`, with GnuTLS where Postfix has OpenSSL.

Its strings are expanded for each connection, so certificate and STARTTLS follow files named after
the address that was connected to.
"""

import os
from pathlib import Path

from ..sasl_peer import ACCOUNT
from . import UNKNOWN_RECIPIENT, USERS, Server

CONFIGURATION = """\
primary_hostname = mx.exim.test
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = <; {interfaces}
daemon_smtp_ports = 25 : 465 : 587
tls_on_connect_ports = 465
auth_advertise_hosts = ${{if and{{{{def:tls_in_cipher}}{{!eq{{$received_port}}{{25}}}}}}{{*}}{{}}}}
spool_directory = {directory}/spool
log_file_path = {directory}/log/%s
log_selector = +tls_cipher +tls_peerdn +received_recipients
pid_file_path = {directory}/pid
smtp_banner = $primary_hostname ESMTP Exim
smtp_active_hostname = ${{readfile{{{site}/name}}{{}}}}
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 50M
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
recipients_max = 1000
tls_advertise_hosts = ${{if exists{{{site}/tls.pem}}{{*}}{{}}}}
tls_certificate = {site}/tls.pem
tls_privatekey = {site}/tls.pem
acl_smtp_rcpt = rcpt
acl_smtp_data = data
queue_only = false
never_users =
keep_environment =

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1

begin acl
rcpt:
  deny message = authentication required
       condition = ${{if !eq{{$received_port}}{{25}}}}
      !authenticated = *
  deny message = 5.1.1 no such mailbox
       local_parts = ^{unknown}
  accept
data:
  accept

begin routers
everything:
  driver = accept
  domains = lsearch;{directory}/domains
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {mail}/$domain_data
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
  user = {uid}
  group = {uid}
  no_mode_fail_narrower

begin retry
* * F,1h,5m
"""


class Exim(Server):
    name = "exim"
    packages = ("exim4-daemon-light",)

    @property
    def sites(self) -> Path:
        return self.directory / "sites"

    def prepare(self):
        super().prepare()
        (self.sites).mkdir(exist_ok=True)
        for name in ("spool", "log"):
            (self.directory / name).mkdir(exist_ok=True)
            os.chown(self.directory / name, USERS["Debian-exim"], USERS["Debian-exim"])

    def in_transit(self):
        return (self.directory / "spool" / "input",)

    def files(self):
        hosts = self.lab.table.hosts("exim")
        interfaces = [a for h in hosts for a in [*h.v4, *h.v6]]
        text = CONFIGURATION.format(
            directory=self.directory, mail=self.lab.mail, uid=USERS["vmail"],
            site=f"{self.sites}/${{tr{{$received_ip_address}}{{:}}{{_}}}}", interfaces=" ; ".join(interfaces or ["127.0.0.1"]), unknown=UNKNOWN_RECIPIENT,
            user=ACCOUNT[0], password=ACCOUNT[1],
        )  # fmt: skip
        names = [d.fqdn for d in self.lab.table.domains.values()]
        files: dict[Path, str | bytes | None] = {
            # Exim keeps its privileges for its own configuration file only. That one is in a layer of
            # the world's /etc, which must not change while it is mounted; what it includes may.
            self.lab.world_etc / "exim4" / "exim4.conf": f".include {self.directory}/exim.conf\n",
            self.directory / "exim.conf": text,
            # Looked up rather than taken from the envelope: Exim opens no file named by a stranger.
            self.directory / "domains": "".join(f"{name}: {name}\n" for name in names),
        }
        for host in hosts:
            for address in [*host.v4, *host.v6]:
                site = self.sites / address.replace(":", "_")  # Exim takes a colon for the end of a file name
                files[site / "name"] = host.name
                files[site / "tls.pem"] = self.lab.certificate_file(host).read_bytes() if host.starttls else None
        return files

    def command(self):
        return ["exim4", "-bdf", "-q1m"]

    def listens(self):
        return self.everywhere("exim") or {("127.0.0.1", 25)}

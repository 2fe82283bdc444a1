# SPDX-License-Identifier: Apache-2.0
"""The other relay: Postfix from Debian, security level `dane`, with postfix-mta-sts-resolver as its policy map.

Both run in the relay's namespace of the lab, beside sealpost, with the same resolver and the same trusted roots.
"""

import re
import smtplib
from dataclasses import dataclass

from lab import postfix_tree
from lab.servers import USERS, Server
from lab.servers.postfix import SERVICES
from lab.world import Lab

PORT = 2600
POLICY_PORT = 8461

MAIN = """\
compatibility_level = 3.6
myhostname = postfix.home.test
queue_directory = {directory}/queue
data_directory = {directory}/data
meta_directory = {directory}
maillog_file = {log}/sender.log
maillog_file_prefixes = {log}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = all
inet_protocols = all
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = dane
smtp_tls_policy_maps = texthash:{directory}/policy, socketmap:inet:127.0.0.1:{policy_port}:postfix
smtp_tls_CAfile = {trust}
smtp_tls_loglevel = 1
smtp_tls_session_cache_database =
smtp_connect_timeout = 10s
smtp_starttls_timeout = 10s
tls_random_source = dev:/dev/urandom
default_process_limit = 100
minimal_backoff_time = 4s
maximal_backoff_time = 4s
queue_run_delay = 2s
biff = no
"""

# cache_grace: how long the resolver does not look for a new id. A minute by default; here it may look at once.
RESOLVER = """\
host: 127.0.0.1
port: {port}
reuse_port: true
shutdown_timeout: 2
cache_grace: 1
proactive_policy_fetching:
  enabled: false
cache:
  type: internal
  options:
    cache_size: 10000
default_zone:
  strict_testing: false
  timeout: 4
"""


class Sender(Server):
    name = "sender"
    namespace = "relay"
    packages = ("postfix",)
    dane_only: tuple[str, ...] = ()  # domains of a local rule

    def prepare(self):
        super().prepare()
        postfix_tree.make(self.directory, USERS["postfix"], USERS["postdrop"])

    def files(self):
        main = MAIN.format(
            directory=self.directory, log=self.lab.directory / "log", trust=self.lab.trust_file, policy_port=POLICY_PORT
        )
        return {
            self.directory / "main.cf": main,
            self.directory / "master.cf": f"{SERVICES}127.0.0.1:{PORT} inet n - n - - smtpd\n",
            self.directory / "policy": "".join(f"{d} dane-only\n" for d in self.dane_only),
            self.directory / "dynamicmaps.cf": "",
        }

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", str(self.directory)]

    def listens(self):
        return {("127.0.0.1", PORT)}


class PolicyResolver(Server):
    name = "policy-resolver"
    namespace = "relay"
    packages = ("postfix-mta-sts-resolver",)

    def files(self):
        return {self.directory / "daemon.yml": RESOLVER.format(port=POLICY_PORT)}

    def command(self):
        environment = f"SSL_CERT_FILE={self.lab.trust_file}"
        return ["/usr/bin/env", environment, "/usr/bin/mta-sts-daemon", "-c", str(self.directory / "daemon.yml")]

    def listens(self):
        return {("127.0.0.1", POLICY_PORT)}

    def reload(self):
        pass  # its file never changes


class CompareLab(Lab):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.servers |= {kind.name: kind(self) for kind in (Sender, PolicyResolver)}


@dataclass
class Fate:
    """What a relay's last word about a message was."""

    outcome: str  # "sent", "deferred", "bounced"
    host: str
    tls: str  # how the connection to that host was, in the relay's own words
    text: str


STATUS = re.compile(r"to=<([^>]+)>,.* relay=([^,\[]+)(?:\[[^,]*)?,.* status=(\w+) \((.*)\)$")
TLS = re.compile(r"(\w+) TLS connection established to ([^\[]+)\[")


def fates(lab: Lab) -> dict[str, Fate]:
    """By recipient, from Postfix's log. It tells of the connection first, then of the mail, from one process."""
    found: dict[str, Fate] = {}
    tls: dict[str, str] = {}
    for line in (lab.directory / "log" / "sender.log").read_text(errors="replace").splitlines():
        process = line.partition("]: ")[0].rpartition(" ")[2]
        if hit := TLS.search(line):
            tls[process + hit[2]] = hit[1].lower()
        elif hit := STATUS.search(line):
            found[hit[1]] = Fate(hit[3], hit[2], tls.get(process + hit[2], "none"), hit[4])
    return found


def submit(lab: Lab, recipients: list[str]):
    with lab.entered():
        client = smtplib.SMTP("127.0.0.1", PORT, "sender.home.test", timeout=30)
    with client:
        for recipient in recipients:
            client.sendmail("postfix@home.test", recipient, f"Subject: {recipient}\r\n\r\nsecret\r\n")

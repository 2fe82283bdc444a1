# SPDX-License-Identifier: Apache-2.0
"""Our own two: the scripted SMTP and HTTPS peer in the world, the lying resolver beside unbound."""

import dataclasses
import json

from .. import addresses
from ..dns_peer import OWN
from ..sasl_peer import ADDRESS
from . import UNKNOWN_RECIPIENT, Server

PYTHON = "/usr/bin/python3"


class Peer(Server):
    name = "peer"

    def files(self):
        smtp = {}
        for host in self.lab.table.hosts("script"):
            settings = dataclasses.asdict(host)
            settings["certificate_file"] = str(self.lab.certificate_file(host))
            settings["trust_file"] = str(self.lab.trust_file)
            for address in [*host.v4, *host.v6]:
                smtp[address] = settings
        https = {}
        for domain in self.lab.table.domains.values():
            if domain.sts and domain.sts.host == "script":
                pem = self.directory / f"{domain.policy_host}.pem"
                https[domain.policy_host] = {
                    "certificate_file": str(pem),
                    "script": domain.sts.script,
                    "body": domain.policy_text(),
                    "tls_maximum": domain.sts.tls_maximum,
                }
        settings = {"smtp": smtp, "https": https, "https_addresses": addresses.SCRIPTED_POLICY_HOST}
        settings |= {"mail": str(self.lab.mail), "unknown": UNKNOWN_RECIPIENT}
        files = {self.directory / "peer.json": json.dumps(settings, indent=1)}
        for domain in self.lab.table.domains.values():
            if domain.sts and domain.sts.host == "script":
                files[self.directory / f"{domain.policy_host}.pem"] = self.lab.policy_certificate(domain)
        return files

    def command(self):
        return [PYTHON, "-m", "lab.peer", str(self.directory)]

    def listens(self):
        return self.everywhere("script") | {(a, 443) for a in addresses.SCRIPTED_POLICY_HOST}


class DnsPeer(Server):
    """127.0.0.2 to .9 in the relay's namespace pass everything to unbound, until told to misbehave."""

    name = "dns_peer"
    namespace = "relay"

    def command(self):
        return [PYTHON, "-m", "lab.dns_peer", str(self.directory)]

    def listens(self):
        return {(server, 53) for server in OWN}


class SaslPeer(Server):
    """Postfix asks it who may log in on its submission ports."""

    name = "sasl_peer"

    def command(self):
        return [PYTHON, "-m", "lab.sasl_peer"]

    def listens(self):
        return {ADDRESS}

# SPDX-License-Identifier: Apache-2.0
"""The zones of the lab: a signed root, a signed test. below it, and its unhappy children.

    test.            signed, chain of trust from the root
    insecure.test.   not signed, and the parent proves it (RFC 4035 §5.2)
    bogus.test.      signed, but the parent vouches for another key: everything in it fails
    lame.test.       delegated to a server that has lost its data: SERVFAIL
    silent.test.     delegated to an address that never answers: time-out

A domain named "x" is x.test., one named "x.insecure" is x.insecure.test., and so on. Single RRsets
of test. become bogus when the table says so: their signature is spoilt after signing.
"""

import re
import subprocess
import time
from pathlib import Path

from . import addresses
from .table import Domain, Host, Table
from .tlsa import record_data

SIGNED = (".", "test.", "bogus.test.")
ZONES = (*SIGNED, "insecure.test.")
LAME = "lame.test."  # nsd is told of it but finds no file


def addresses_of(name: str, v4, v6, ttl: int) -> list[str]:
    return [f"{name} {ttl} IN A {a}" for a in v4] + [f"{name} {ttl} IN AAAA {a}" for a in v6]


def quoted(text: str) -> str:
    """A TXT value as character strings of at most 255 octets."""
    pieces = [text[i : i + 255] for i in range(0, len(text), 255)] or [""]
    return " ".join('"' + re.sub(r'(["\\])', r"\\\1", p) + '"' for p in pieces)


def host_records(host: Host, ttl: int, issued) -> list[str]:
    name = f"{host.name}."
    if host.cname:
        lines = [f"{name} {ttl} IN CNAME {host.cname}"]
    else:
        lines = addresses_of(name, host.v4, host.v6, ttl)
    return lines + [f"_25._tcp.{name} {ttl} IN TLSA {record_data(t, issued)}" for t in host.tlsa]


def sts_records(domain: Domain) -> list[str]:
    sts = domain.sts
    if sts.txt is False:
        texts = []
    elif sts.txt:
        texts = [sts.txt] if isinstance(sts.txt, str) else sts.txt
    else:
        texts = [f"v=STSv1; id={sts.id};"]
    lines = [f"_mta-sts.{domain.fqdn}. {domain.ttl} IN TXT {quoted(t)}" for t in texts]
    if sts.cname:
        return [*lines, f"{domain.policy_host}. {domain.ttl} IN CNAME {sts.cname}"]
    if sts.address:
        literal = addresses.ODD_ADDRESSES[sts.address]
    else:
        literal = addresses.SCRIPTED_POLICY_HOST if sts.host == "script" else addresses.POLICY_HOST
    v4, v6 = [a for a in literal if ":" not in a], [a for a in literal if ":" in a]
    return lines + addresses_of(f"{domain.policy_host}.", v4, v6, domain.ttl)


def domain_records(domain: Domain, issued_for) -> list[str]:
    """All records of one domain. `issued_for(host)` gives the certificate that TLSA shall match."""
    ttl = domain.ttl
    lines = [f"{domain.fqdn}. {ttl} IN MX {p} {n}" for p, n in domain.exchanges]
    for host in domain.hosts:
        lines += host_records(host, ttl, issued_for(host) if host.tlsa else None)
    if domain.sts:
        lines += sts_records(domain)
    if domain.tlsrpt:
        lines.append(f"_smtp._tls.{domain.fqdn}. {ttl} IN TXT {quoted(domain.tlsrpt)}")
    return lines + [relative_record(domain, r) for r in domain.records]


def relative_record(domain: Domain, record: str) -> str:
    """A line of the table, "NAME [TTL] TYPE DATA" with a name relative to the domain."""
    name, rest = record.split(None, 1)
    if not name.endswith("."):
        name = f"{domain.fqdn}." if name == "@" else f"{name}.{domain.fqdn}."
    if not rest.split()[0].isdigit():
        rest = f"{domain.ttl} IN {rest}"
    return f"{name} {rest}"


def zone_of(name: str) -> str:
    for zone in ("insecure.test.", "bogus.test."):
        if name == zone or name.endswith(f".{zone}"):
            return zone
    return "test."


def frame(zone: str, serial: int) -> list[str]:
    """SOA, NS and the glue every zone needs."""
    ns = "ns.test."
    lines = [
        f"{zone} 60 IN SOA {ns} hostmaster.test. {serial} 3600 600 86400 5",
        f"{zone} 60 IN NS {ns}",
    ]
    return lines


class Zones:
    """Builds, signs and writes the zone files of one lab."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.keys: dict[str, Path] = {}
        directory.mkdir(parents=True, exist_ok=True)
        for zone in (*SIGNED, "unrelated."):
            self.keys[zone] = self.key_for(zone)

    def file(self, zone: str) -> Path:
        return self.directory / f"{zone.rstrip('.') or 'root'}.zone"

    @property
    def trust_anchor(self) -> Path:
        return self.keys["."].with_suffix(".ds")

    def key_for(self, zone: str) -> Path:
        """One key signs the whole zone; made on first use. "unrelated." is what bogus.test. should have."""
        marker = self.directory / f"key-{zone.rstrip('.') or 'root'}"
        if not marker.exists():
            owner = "bogus.test." if zone == "unrelated." else zone
            command = ["ldns-keygen", "-k", "-a", "ECDSAP256SHA256", "-r", "/dev/urandom", owner]
            made = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=True)
            marker.write_text(made.stdout.strip())
        return self.directory / (marker.read_text() + ".key")

    def delegation(self, zone: str) -> list[str]:
        ds = {"test.": "test.", "bogus.test.": "unrelated."}.get(zone)
        lines = [f"{zone} 60 IN NS ns.test."]
        return lines + ([self.keys[ds].with_suffix(".ds").read_text().strip()] if ds else [])

    def contents(self, table: Table, serial: int, issued_for) -> dict[str, list[str]]:
        zones = {zone: frame(zone, serial) for zone in ZONES}
        server = addresses_of("ns.test.", addresses.DNS[:1], addresses.DNS[1:], 60)
        zones["."] += [*self.delegation("test."), *server]
        zones["test."] += [*server, *self.delegation("insecure.test."), *self.delegation("bogus.test.")]
        zones["test."] += [f"{LAME} 60 IN NS ns.test."]
        zones["test."] += ["silent.test. 60 IN NS ns.gone.test.", f"ns.gone.test. 60 IN A {addresses.SILENT_V4[53]}"]
        for domain in table.domains.values():
            for line in domain_records(domain, issued_for):
                zones[zone_of(line.split(None, 1)[0])].append(line)
        return zones

    def write(self, table: Table, serial: int, issued_for):
        for zone, lines in self.contents(table, serial, issued_for).items():
            text = "".join(f"{line}\n" for line in dict.fromkeys(lines))
            if zone in SIGNED:
                text = self.sign(zone, text)
            if zone == "test.":
                text = spoil_signatures(text, table)
            replace_file(self.file(zone), text)

    def sign(self, zone: str, text: str) -> str:
        plain = self.file(zone).with_suffix(".plain")
        signed = self.file(zone).with_suffix(".signed")
        plain.write_text(text)
        day = 24 * 3600
        since = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() - 30 * day))
        until = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 30 * day))
        command = ["ldns-signzone", "-o", zone, "-i", since, "-e", until, "-f", signed]
        done = subprocess.run([*command, plain, self.keys[zone].with_suffix("")], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"cannot sign zone {zone}: {done.stderr.strip()}")
        return signed.read_text()


def spoil_signatures(text: str, table: Table) -> str:
    """Turn the signatures that the table calls bogus into wrong ones of the right form."""
    wanted = set()
    for domain in table.domains.values():
        for entry in domain.bogus:
            name, kind = entry.split()
            wanted.add((f"{domain.fqdn}." if name == "@" else f"{name}.{domain.fqdn}.", kind))
    if not wanted:
        return text
    lines = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 5 and words[3] == "RRSIG" and (words[0], words[4]) in wanted:
            head, _, signature = line.rstrip().rpartition(" ")
            spoilt = ("A" if signature[0] != "A" else "B") + signature[1:]
            line = f"{head} {spoilt}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def replace_file(path: Path, text: str | bytes):
    """Readers see the old file or the new one, never half of either."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    fresh.rename(path)

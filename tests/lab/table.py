# SPDX-License-Identifier: Apache-2.0
"""The domains of the lab as data: read from TOML, checked, with everything defaulted filled in.

The raw table is kept beside what is made of it, so that a test can change one key of one domain
while the lab runs and everything is derived afresh.
"""

import copy
import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

from . import addresses, certificates
from .rules import RuleError, parse_rules

PEERS = ("postfix", "exim", "opensmtpd", "script")
POLICY_DEFECTS = (
    "301", "302", "307", "308", "204", "404", "500", "html", "no-type", "utf8", "octets", "65536", "65537",
    "endless", "empty", "gzip", "bomb", "drip", "closed",
)  # fmt: skip


class TableError(Exception):
    """Says which domain and key is wrong, and what would be right."""


@dataclass
class Host:
    """One MX host: its name, where it lives and how it behaves."""

    name: str
    preference: int = 10
    peer: str = "postfix"
    certificate: str = "good"
    starttls: bool = True
    tlsa: list[str] = field(default_factory=list)
    address: object = ""  # "", a word of addresses.ODD_ADDRESSES, or a list of literal addresses
    cname: str = ""  # this name is an alias; the host behind it belongs to another entry
    # For the scripted peer only; peer.py explains them.
    script: list[dict] = field(default_factory=list)
    banner: str = ""
    ehlo: list[str] | None = None
    ehlo_tls: list[str] | None = None
    tls_minimum: str = ""
    tls_maximum: str = ""
    ciphers: str = ""  # up to TLS 1.2, as OpenSSL writes them
    asks_certificate: bool = False  # asks its clients for a certificate, and notes whose it was
    lenient: bool = False  # believes the wrong ends of data that smuggling relies on
    keep_transcript: bool = True
    # Filled in later
    domain: str = ""
    v4: list[str] = field(default_factory=list)
    v6: list[str] = field(default_factory=list)

    @property
    def served(self) -> bool:
        """Does one of our servers listen for it?"""
        if self.cname:
            return False
        return not isinstance(self.address, str) or self.address in ("", "private")


@dataclass
class Sts:
    """What a domain publishes for MTA-STS."""

    mode: str = "enforce"
    mx: list[str] | None = None  # default: the domain's own MX hosts
    max_age: int = 604800
    id: str = "1"
    txt: object = ""  # instead of the record made of `id`: a string, a list of records, or false for none
    body: str = ""  # instead of the policy made of mode, mx and max_age
    host: str = "nginx"  # or "script": the HTTPS peer of peer.py
    defect: str = ""
    certificate: str = "good"
    certificate_for: str = ""  # another host that the certificate is issued for
    script: list[dict] = field(default_factory=list)  # for host = "script"
    tls_maximum: str = ""  # for host = "script"
    address: str = ""  # a word of addresses.ODD_ADDRESSES, instead of the policy host's
    cname: str = ""  # the policy host is an alias of that name; what it points at still serves it


@dataclass
class Domain:
    name: str
    note: str = ""
    mx: list | None = None
    sts: Sts | None = None
    tlsrpt: str = ""
    records: list[str] = field(default_factory=list)
    bogus: list[str] = field(default_factory=list)  # "NAME TYPE" whose signature shall be wrong
    ttl: int = 5
    # Defaults for every host of the domain
    defaults: dict = field(default_factory=dict)
    # Filled in
    hosts: list[Host] = field(default_factory=list)  # in the order of `mx`
    exchanges: list[tuple[int, str]] = field(default_factory=list)  # MX records; a name with final dot

    @property
    def fqdn(self) -> str:
        return f"{self.name}.test"

    @property
    def policy_host(self) -> str:
        return f"mta-sts.{self.fqdn}"

    def policy_text(self) -> str:
        sts = self.sts
        if sts.body:
            return sts.body
        patterns = sts.mx if sts.mx is not None else [n.rstrip(".") for _, n in self.exchanges]
        lines = ["version: STSv1", f"mode: {sts.mode}", *[f"mx: {p}" for p in patterns], f"max_age: {sts.max_age}"]
        return "".join(f"{line}\r\n" for line in lines)


HOST_KEYS = {f.name for f in fields(Host)} - {"name", "domain", "v4", "v6", "preference", "address", "cname"}
DOMAIN_KEYS = {f.name for f in fields(Domain)} - {"hosts", "exchanges", "defaults"}
STS_KEYS = {f.name for f in fields(Sts)}


def check_keys(where: str, given: dict, known: set[str]):
    for key in given:
        if key not in known:
            raise TableError(f"{where}: unknown key {key!r}; there are: {', '.join(sorted(known))}")


def check_word(where: str, word: str, known):
    if word not in known:
        raise TableError(f"{where}: {word!r} is none of: {', '.join(known)}")


def parse_host(domain: Domain, entry, position: int) -> Host:
    if isinstance(entry, str):
        entry = {"host": entry}
    where = f"domain {domain.name!r}, mx[{position}]"
    check_keys(where, entry, HOST_KEYS | {"host", "preference", "address", "cname"})
    settings = {"preference": 10 * (position + 1), **copy.deepcopy(domain.defaults), **entry}
    label = settings.pop("host")
    host = Host(name=label.rstrip(".") if label.endswith(".") else f"{label}.{domain.fqdn}", **settings)
    host.domain = domain.fqdn
    check_word(f"{where}, peer", host.peer, PEERS)
    check_word(f"{where}, certificate", host.certificate, certificates.KINDS)
    if isinstance(host.address, str) and host.address:
        check_word(f"{where}, address", host.address, addresses.ODD_ADDRESSES)
    try:
        parse_rules(host.script)
    except RuleError as error:
        raise TableError(f"{where}, script: {error}") from None
    return host


def parse_sts(domain: Domain, given: dict) -> Sts:
    where = f"domain {domain.name!r}, sts"
    check_keys(where, given, STS_KEYS)
    sts = Sts(**given)
    check_word(f"{where}, host", sts.host, ("nginx", "script"))
    check_word(f"{where}, certificate", sts.certificate, certificates.KINDS)
    if sts.defect:
        check_word(f"{where}, defect", sts.defect, POLICY_DEFECTS)
    if sts.address:
        check_word(f"{where}, address", sts.address, addresses.ODD_ADDRESSES)
    return sts


def parse_domain(given: dict) -> Domain:
    given = copy.deepcopy(given)
    name = given.get("name", "")
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise TableError(f"domain {name!r}: name must be labels of a-z, 0-9 and '-', without the final .test")
    check_keys(f"domain {name!r}", given, DOMAIN_KEYS | HOST_KEYS)
    domain = Domain(**{k: v for k, v in given.items() if k in DOMAIN_KEYS and k != "sts"})
    domain.defaults = {k: v for k, v in given.items() if k in HOST_KEYS}
    if given.get("sts"):
        domain.sts = parse_sts(domain, given["sts"])
    for position, entry in enumerate(["mx1"] if domain.mx is None else domain.mx):
        add_exchange(domain, entry, position)
    if domain.mx == []:  # RFC 5321 §5.1: without MX records the domain itself is the host
        domain.hosts.append(parse_host(domain, {"host": f"{domain.fqdn}."}, 0))
    return domain


def add_exchange(domain: Domain, entry, position: int):
    if entry == ".":  # RFC 7505
        domain.exchanges.append((0, "."))
        return
    host = parse_host(domain, entry, position)
    domain.exchanges.append((host.preference, f"{host.name}."))
    label = entry if isinstance(entry, str) else entry["host"]
    if not label.endswith("."):  # an absolute name is a host of some other domain, or of none
        domain.hosts.append(host)


def deep_merge(old: dict, new: dict) -> dict:
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = deep_merge(merged[key], value)
        else:
            merged[key] = value
    return merged


class Table:
    """All domains. `places` remembers which addresses a host got, so that changes move nobody."""

    def __init__(self, raw: list[dict], places: dict[str, int] | None = None):
        self.raw = {}
        self.places = places if places is not None else {}
        for entry in raw:
            if entry.get("name") in self.raw:
                raise TableError(f"domain {entry['name']!r} is there twice")
            self.raw[entry.get("name", "")] = entry
        self.domains: dict[str, Domain] = {}
        self.derive()

    @classmethod
    def read(cls, *paths: Path) -> "Table":
        raw = []
        for path in paths:
            try:
                document = tomllib.loads(path.read_text())
            except tomllib.TOMLDecodeError as error:
                raise TableError(f"{path}: {error}") from None
            check_keys(str(path), document, {"domain"})
            raw += document.get("domain", [])
        return cls(raw)

    def derive(self):
        domains = {name: parse_domain(entry) for name, entry in self.raw.items()}
        for domain in domains.values():
            for host in domain.hosts:
                self.place(host)
        self.domains = domains

    def place(self, host: Host):
        if isinstance(host.address, list):
            literal = host.address
        elif host.address:
            literal = addresses.ODD_ADDRESSES[host.address]
        elif host.cname:
            literal = []
        else:
            number = self.places.setdefault(host.name, len(self.places))
            literal = [str(addresses.WORLD_V4[0x100 + number]), f"2d00:5ea1::1:{0x100 + number:x}"]
        host.v4 = [a for a in literal if ":" not in a]
        host.v6 = [a for a in literal if ":" in a]

    def change(self, *entries: dict):
        """Merge each entry into the domain it names, or add it; None removes a key. Nothing changes on error."""
        before = self.raw
        self.raw = dict(before)
        for entry in entries:
            name = entry.get("name", "")
            self.raw[name] = deep_merge(self.raw.get(name, {}), entry)
        try:
            self.derive()
        except TableError:
            self.raw = before
            raise

    def remove(self, *names: str):
        for name in names:
            del self.raw[name]
        self.derive()

    def hosts(self, peer: str) -> list[Host]:
        return [h for d in self.domains.values() for h in d.hosts if h.peer == peer and h.served]

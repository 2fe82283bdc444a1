# SPDX-License-Identifier: Apache-2.0
"""A private CA, and the certificates it issues: right ones, and wrong in every way we know of.

KINDS is the table. A kind says how its certificate departs from the good one, which is a P-256
leaf naming the MX host, issued by an intermediate that a trusted root signed. `{host}`, `{domain}`
and `{parent}` (the host less its first label) are filled in for each host.
"""

import datetime
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID, ObjectIdentifier

DAY = datetime.timedelta(days=1)
SERVER = (Eku.SERVER_AUTH,)


@dataclass(frozen=True)
class Kind:
    says: str
    valid: bool = False  # would PKIX and the names of RFC 8461 §4.2 accept it for the MX host?
    names: tuple[str, ...] = ("{host}",)  # DNS names, or "ip:", "uri:", "email:" and a value
    common_name: str = ""
    issuer: str = "intermediate"
    sends: tuple[str, ...] = ("intermediate",)  # authorities sent after the leaf
    begins: int = -1  # days from now
    ends: int = 90
    usages: tuple[ObjectIdentifier, ...] = SERVER
    key: str = "p256"
    digest: type = hashes.SHA256
    is_ca: bool = False
    signs: bool = True  # key usage digitalSignature
    broken_signature: bool = False
    unknown_critical: bool = False
    result: str = ""  # the result type of RFC 8460 §4.3 under an MTA-STS policy; "" is good, or open to judgement


KINDS = {
    "good": Kind("names the MX host, chain to the trusted root", valid=True),
    # Dates
    "expired": Kind("ended yesterday", begins=-30, ends=-1, result="certificate-expired"),
    "long-expired": Kind("ended ten years ago", begins=-3700, ends=-3650, result="certificate-expired"),
    "ends-soon": Kind("ends in three days", valid=True, begins=-87, ends=3),
    "future": Kind("begins tomorrow", begins=1, result="certificate-not-trusted"),
    # Names (RFC 9525 §6: DNS names only, wildcard as the whole first label only)
    "other-name": Kind("names another host", names=("mx.elsewhere.test",), result="certificate-host-mismatch"),
    "domain-name": Kind("names the mail domain, not the MX host", names=("{domain}",), result="certificate-host-mismatch"),
    "several-names": Kind("the MX host is one of three", valid=True, names=("a.test", "{host}", "b.test")),
    "upper-case": Kind("names the MX host in capitals", valid=True, names=("{HOST}",)),
    "wildcard": Kind("*. and the rest of the MX host", valid=True, names=("*.{parent}",)),
    "wildcard-above": Kind("wildcard one level too high", names=("*.test",), result="certificate-host-mismatch"),
    "wildcard-partial": Kind("m*.", names=("m*.{parent}",), result="certificate-host-mismatch"),
    "wildcard-tail": Kind("*1.", names=("*1.{parent}",), result="certificate-host-mismatch"),
    "wildcard-middle": Kind("wildcard as second label", names=("mx1.*.test",), result="certificate-host-mismatch"),
    "wildcard-double": Kind("*.*.", names=("*.*.test",), result="certificate-host-mismatch"),
    "wildcard-alone": Kind("* and nothing else", names=("*",), result="certificate-host-mismatch"),
    "wildcard-bare-parent": Kind("the parent without a label", names=("{parent}",), result="certificate-host-mismatch"),
    "trailing-dot": Kind("the MX host with its final dot", names=("{host}.",)),
    "nul-in-name": Kind("NUL after the MX host", names=("{host}\0.elsewhere.test",), result="certificate-host-mismatch"),
    "prefix-of-name": Kind("the MX host goes on", names=("{host}.elsewhere.test",), result="certificate-host-mismatch"),
    "suffix-of-name": Kind("the MX host less one letter", names=("x{host}",), result="certificate-host-mismatch"),
    "cn-only": Kind("right common name, no alternative names", names=(), common_name="{host}", result="certificate-host-mismatch"),
    "cn-beside-other": Kind("right common name, wrong alternative", names=("mx.elsewhere.test",), common_name="{host}", result="certificate-host-mismatch"),
    "no-names": Kind("no name at all", names=(), common_name="Mail Server", result="certificate-host-mismatch"),
    "ip-only": Kind("names an address", names=("ip:44.128.1.0",), result="certificate-host-mismatch"),
    "uri-only": Kind("names a URI with the MX host", names=("uri:smtp://{host}/",), result="certificate-host-mismatch"),
    "email-only": Kind("names a mailbox at the MX host", names=("email:postmaster@{host}",), result="certificate-host-mismatch"),
    # Trust
    "self-signed": Kind("signed by itself", issuer="self", sends=(), result="certificate-not-trusted"),
    "self-signed-expired": Kind("signed by itself, ended", issuer="self", sends=(), begins=-30, ends=-1),
    "unknown-ca": Kind("from an authority nobody trusts", issuer="stranger", sends=("stranger",), result="certificate-not-trusted"),
    "missing-intermediate": Kind("the server sends the leaf alone", sends=(), result="certificate-not-trusted"),
    "direct": Kind("issued by the root itself", valid=True, issuer="root", sends=()),
    "with-root": Kind("the server sends the root too", valid=True, sends=("intermediate", "root")),
    "issuer-not-ca": Kind("issued by a server certificate", issuer="not-ca", sends=("not-ca", "intermediate"), result="certificate-not-trusted"),
    "issuer-expired": Kind("the intermediate has ended", issuer="old", sends=("old",), result="certificate-expired"),
    "issuer-constrained": Kind("the intermediate may only name elsewhere.test", issuer="narrow", sends=("narrow",), result="certificate-not-trusted"),
    "path-too-long": Kind("two intermediates where one may be", issuer="deep", sends=("deep", "short"), result="certificate-not-trusted"),
    "broken-signature": Kind("one bit of the signature is flipped", broken_signature=True, result="certificate-not-trusted"),
    # Use and strength
    "wrong-usage": Kind("for clients only", usages=(Eku.CLIENT_AUTH,)),
    "code-signing": Kind("for code signing only", usages=(Eku.CODE_SIGNING,)),
    "no-usage": Kind("no extended key usage at all", valid=True, usages=()),
    "both-usages": Kind("for servers and clients", valid=True, usages=(Eku.SERVER_AUTH, Eku.CLIENT_AUTH)),
    "no-signing": Kind("key usage for non-repudiation only", signs=False),
    "unknown-critical": Kind("an extension nobody knows, critical", unknown_critical=True),
    "sha1": Kind("signed with SHA-1", digest=hashes.SHA1),
    "rsa-1024": Kind("RSA key of 1024 bits", key="rsa1024"),
    "rsa": Kind("RSA key of 2048 bits", valid=True, key="rsa2048"),
    "p384": Kind("ECDSA key on P-384", valid=True, key="p384"),
}  # fmt: skip


@dataclass
class Issued:
    """A leaf and what the server sends with it."""

    key: object
    leaf: x509.Certificate
    chain: list[x509.Certificate] = field(default_factory=list)

    def pem(self) -> bytes:
        """Key first, then leaf, then the others: what Postfix and nginx read from one file."""
        return key_pem(self.key) + b"".join(certificate_pem(c) for c in [self.leaf, *self.chain])


def key_pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_pem(pem: bytes) -> Issued:
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    certificates = [x509.load_pem_x509_certificate(b) for b in blocks]
    key = serialization.load_pem_private_key(pem, None)
    return Issued(key, certificates[0], certificates[1:])


def new_key(name: str):
    match name:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)
        case "rsa2048":
            return rsa.generate_private_key(65537, 2048)
    raise ValueError(f"no kind of key is called {name!r}")


def general_name(text: str) -> x509.GeneralName:
    scheme, _, value = text.partition(":")
    match scheme:
        case "ip":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "uri":
            return x509.UniformResourceIdentifier(value)
        case "email":
            return x509.RFC822Name(value)
    return x509.DNSName(text)


def subject(common_name: str) -> x509.Name:
    if not common_name:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sealpost lab")])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs, key_cert_sign=certifies, crl_sign=certifies, content_commitment=not signs and not certifies,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def flip_last_bit(certificate: x509.Certificate) -> x509.Certificate:
    der = bytearray(certificate.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1  # the signature is the last thing in a certificate
    return x509.load_der_x509_certificate(bytes(der))


class Authority:
    """The CA of one lab. Its files are kept, so that any process attached to the lab issues alike."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.now = datetime.datetime.utcnow().replace(microsecond=0)
        self.members: dict[str, Issued] = {}
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / "root.pem").exists():
            self.load()
        else:
            self.create()

    @property
    def trust_file(self) -> Path:
        return self.directory / "trusted-roots.pem"

    def load(self):
        for file in self.directory.glob("*.pem"):
            if file != self.trust_file:
                self.members[file.stem] = load_pem(file.read_bytes())

    def create(self):
        self.member("root", None)
        self.member("stranger", None)
        self.member("intermediate", "root", path_length=0)
        self.member("old", "root", ends=-1)
        self.member("narrow", "root", permitted="elsewhere.test")
        self.member("short", "root", path_length=0)
        self.member("deep", "short")
        self.member("not-ca", "intermediate", is_ca=False)
        for name, issued in self.members.items():
            (self.directory / f"{name}.pem").write_bytes(issued.pem())
        self.trust_file.write_bytes(certificate_pem(self.members["root"].leaf))

    def member(self, name, issuer, path_length=None, ends=3650, permitted="", is_ca=True):
        key = new_key("p256")
        own_name = subject(f"Sealpost lab {name}")
        signer = self.members[issuer] if issuer else None
        builder = self.begin(own_name, key.public_key(), signer, begins=-3700 if ends > 0 else -30, ends=ends)
        builder = builder.add_extension(x509.BasicConstraints(is_ca, path_length if is_ca else None), critical=True)
        builder = builder.add_extension(key_usage(not is_ca, is_ca), critical=True)
        if permitted:
            allowed = x509.NameConstraints([x509.DNSName(permitted)], None)
            builder = builder.add_extension(allowed, critical=True)
        leaf = builder.sign(signer.key if signer else key, hashes.SHA256())
        self.members[name] = Issued(key, leaf)

    def begin(self, name, public_key, signer, begins, ends) -> x509.CertificateBuilder:
        issuer_key = signer.leaf.public_key() if signer else public_key
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(signer.leaf.subject if signer else name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + begins * DAY)
            .not_valid_after(self.now + ends * DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        )

    def issue(self, kind_name: str, host: str, domain: str) -> Issued:
        """A certificate of this kind for `host`, an MX or policy host of `domain`."""
        kind = KINDS[kind_name]
        parent = host.partition(".")[2]
        words = {"host": host, "HOST": host.upper(), "domain": domain, "parent": parent}
        key = new_key(kind.key)
        signer = None if kind.issuer == "self" else self.members[kind.issuer]
        name = subject(kind.common_name.format(**words))
        builder = self.begin(name, key.public_key(), signer, kind.begins, kind.ends)
        builder = builder.add_extension(x509.BasicConstraints(kind.is_ca, None), critical=True)
        builder = builder.add_extension(key_usage(kind.signs, kind.is_ca), critical=True)
        if kind.names:
            names = [general_name(n.format(**words)) for n in kind.names]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if kind.usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(kind.usages), critical=False)
        if kind.unknown_critical:
            unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        leaf = builder.sign(signer.key if signer else key, kind.digest())
        if kind.broken_signature:
            leaf = flip_last_bit(leaf)
        return Issued(key, leaf, [self.members[m].leaf for m in kind.sends])

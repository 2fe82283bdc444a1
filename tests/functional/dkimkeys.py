# SPDX-License-Identifier: Apache-2.0
"""DKIM keys for a relay, published in the lab's DNS, and verification by python3-dkim, which is none of ours."""

import base64
import random
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from lab.world import Lab


def private_pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def published(key, kind: str) -> str:
    """The value of the key record (RFC 6376 §3.6.1; RFC 8463 §4.2: the raw key), as TXT strings of a zone."""
    if kind == "ed25519":
        octets = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        octets = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    text = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))


@dataclass
class Key:
    """One key of a domain: its selector, the file the relay reads, the record that verifies it."""

    domain: str
    selector: str
    file: Path
    record: str  # a line of the lab's table

    def setting(self) -> dict:
        return {"domain": self.domain, "selector": self.selector, "key": self.file}


def make_key(directory: Path, domain: str, kind: str) -> Key:
    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 2048)
    selector = f"{kind}{random.getrandbits(32):08x}"
    file = directory / f"{selector}.pem"
    file.touch(0o600)
    file.write_bytes(private_pem(key))
    return Key(domain, selector, file, f"{selector}._domainkey TXT {published(key, kind)}")


def publish(lab: Lab, name: str, *records: str):
    """Adds them to those the domain has."""
    old = lab.table.raw.get(name, {}).get("records", [])
    lab.change(name, records=[*old, *records])


def lookup(lab: Lab):
    """What python3-dkim asks for a key record."""

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        answer = lab.resolve(name.decode().rstrip("."), "TXT").answer
        texts = [r for rrset in answer for r in rrset if hasattr(r, "strings")]
        return b"".join(texts[0].strings) if texts else None

    return ask


def as_sent(octets: bytes) -> bytes:
    """A maildir keeps bare LF."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

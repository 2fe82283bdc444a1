# SPDX-License-Identifier: Apache-2.0
"""TLSA records from a short description: "USAGE SELECTOR MATCHING [DEFECT]".

"3 1 1" is the right record for what the host sends. Usages 1 and 3 are about the leaf, 0 and 2
about the last certificate the host sends (its topmost authority). Defects:

    wrong   data of the right length that matches nothing
    short   one octet less than the digest has
    empty   no data at all (the lab's name server refuses to load it)
    HEX     that data, whatever the numbers say; for unknown usages, selectors and types
"""

import hashlib

from cryptography.hazmat.primitives import serialization

from .certificates import Issued

DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}


def selected(certificate, selector: int) -> bytes:
    if selector == 1:
        return certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return certificate.public_bytes(serialization.Encoding.DER)


def matching_data(issued: Issued, usage: int, selector: int, matching: int) -> bytes:
    certificate = [issued.leaf, *issued.chain][-1] if usage in (0, 2) else issued.leaf
    data = selected(certificate, selector)
    return DIGESTS[matching](data).digest() if matching in DIGESTS else data


def record_data(description: str, issued: Issued) -> str:
    """The RDATA, in the form of RFC 3597 so that any length can be written."""
    usage, selector, matching, *defect = description.split()
    numbers = bytes([int(usage), int(selector), int(matching)])
    data = matching_data(issued, *numbers)
    match defect:
        case []:
            pass
        case ["wrong"]:
            data = bytes(b ^ 0xFF for b in data)
        case ["short"]:
            data = data[:-1]
        case ["empty"]:
            data = b""
        case [text]:
            data = bytes.fromhex(text)
    rdata = numbers + data
    return f"\\# {len(rdata)} {rdata.hex()}"

# SPDX-License-Identifier: Apache-2.0
"""Makes cases.tsv.gz from the suite's limbo.json: the cases of server certificates, and of each what a verifier needs.

    python3 reduce.py limbo.json

One line each: id, what the suite expects (ok, fail), time to verify at (Unix seconds; - is now), name to verify
(DNS:name, IP:address, -), leaf, intermediates, roots (DER in base64, several separated by commas, - for none).
"""

import base64
import datetime
import gzip
import json
import re
import sys
from pathlib import Path


def encoded(*pems: str) -> str:
    blocks = [b for p in pems for b in re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", p, re.DOTALL)]
    return ",".join("".join(b.split()) for b in blocks) or "-"


def expected_name(case: dict) -> str:
    peer = case.get("expected_peer_name") or case.get("peer")
    if isinstance(peer, dict):
        peer = [peer["kind"], peer["value"]]
    return f"{peer[0]}:{peer[1]}" if peer else "-"


def row(case: dict) -> str:
    at = case["validation_time"]
    fields = [
        case["id"],
        "ok" if case["expected_result"] == "SUCCESS" else "fail",
        str(int(datetime.datetime.fromisoformat(at).timestamp())) if at else "-",
        expected_name(case),
        encoded(case["peer_certificate"]),
        encoded(*case["untrusted_intermediates"]),
        encoded(*case["trusted_certs"]),
    ]
    assert all(base64.b64decode(c) for f in fields[4:] if f != "-" for c in f.split(","))
    return "\t".join(fields) + "\n"


def main():
    document = json.loads(Path(sys.argv[1]).read_text())
    cases = document["testcases"] if isinstance(document, dict) else document
    # Not taken: client certificates; limits on a chain's length given by the caller, which we do not give.
    wanted = [c for c in cases if c["validation_kind"] == "SERVER" and c["max_chain_depth"] is None]
    text = "".join(sorted(row(c) for c in wanted))
    Path(__file__).with_name("cases.tsv.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(wanted)} cases")


if __name__ == "__main__":
    main()

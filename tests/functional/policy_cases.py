# SPDX-License-Identifier: Apache-2.0
"""What can be wrong between us and an MTA-STS policy (RFC 8461 §3), and what is unusual and right.

`sts` are keys of the lab's table. The MX of each case shows a certificate nobody trusts, so the mail says which it
was: a policy that was taken keeps it back, one that was refused does not.
"""

from dataclasses import dataclass, field

OK = "HTTP/1.1 200 OK\r\n"
PLAIN = "Content-Type: text/plain\r\n"
LENGTH = "Content-Length: {length}\r\n"


def policy(*lines: str, end: str = "\r\n") -> str:
    return "".join(f"{line}{end}" for line in lines)


@dataclass(frozen=True)
class Refused:
    """The fetch fails; `kind` and `reason` are what the log and a TLS report say, `says` is in the log's detail."""

    sts: dict
    kind: str
    reason: str
    says: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoRecord:
    """The TXT record announces nothing, so nothing is fetched; `says` is in the log line about it, if there is one."""

    txt: object
    says: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taken:
    sts: dict
    records: tuple[str, ...] = ()
    shown: dict = field(default_factory=dict)  # what `sts show` says of it


FETCH, WEBPKI, INVALID = "sts-policy-fetch-error", "sts-webpki-invalid", "sts-policy-invalid"


def status(code: int) -> Refused:
    return Refused({"defect": str(code)}, FETCH, f"http-status-{code}")


def certificate(kind: str, symbol: str) -> Refused:
    return Refused({"certificate": kind}, WEBPKI, f"X509_V_ERR_{symbol}")


def scripted(steps: list[dict], kind: str, reason: str) -> Refused:
    return Refused({"host": "script", "script": steps}, kind, reason)


def text(body: str, reason: str, says: str = "") -> Refused:
    return Refused({"body": body}, INVALID, reason, says)


def answered(head: str) -> Taken:
    return Taken({"host": "script", "script": [{"send": f"{head}\r\n{{body}}"}]})


# What is endless is sent by 16 kilobytes: the peer gives each of its sessions a turn between two sends, and in small pieces
# a cap would not be reached within `fetch_limit` on a busy machine.
REFUSED = {
    # S20: only 200 is success
    **{f"status-{code}": status(code) for code in (204, 404, 500)},
    # S20, T-14: a redirect is not followed, not even to a policy that is right
    **{f"redirect-{code}": status(code) for code in (301, 302, 307, 308)},
    # S21: text/plain
    "html": Refused({"defect": "html"}, INVALID, "media-type", "'text/html'"),
    "octets": Refused({"defect": "octets"}, INVALID, "media-type", "'application/octet-stream'"),
    "no-type": Refused({"defect": "no-type"}, INVALID, "media-type", "''"),
    # S22, T-19: size, encoding, time
    "one-octet-too-long": Refused({"defect": "65537"}, FETCH, "body-too-large"),
    "ten-gigabytes": Refused({"defect": "endless"}, FETCH, "body-too-large"),
    "endless-chunks": scripted(
        [
            {"send": f"{OK}{PLAIN}Transfer-Encoding: chunked\r\n\r\n"},
            {"send": "4000\r\n" + ("x: y \r\n" * 146 + "\r\n") * 16 + "\r\n", "repeat": 64},
        ],
        FETCH, "body-too-large",
    ),
    "gzip": Refused({"defect": "gzip"}, FETCH, "content-encoding"),
    "gzip-bomb": Refused({"defect": "bomb"}, FETCH, "content-encoding"),
    "unknown-encoding": scripted([{"send": f"{OK}{PLAIN}Content-Encoding: br\r\n\r\n{{body}}"}], FETCH, "content-encoding"),
    "endless-headers": scripted([{"send": OK}, {"send": "X-More: header\r\n" * 1024, "repeat": 100}], FETCH, "headers-too-large"),
    "endless-header-line": scripted([{"send": f"{OK}X-Long: "}, {"send": "x" * 16384, "repeat": 64}], FETCH, "headers-too-large"),
    "endless-interim": scripted([{"send": "HTTP/1.1 100 Continue\r\n\r\n" * 640, "repeat": 160}], FETCH, "headers-too-large"),
    "drip": Refused({"defect": "drip"}, FETCH, "timeout"),
    "header-drip": scripted([{"send": f"{OK}{PLAIN}X-Slow: {'x' * 600}", "drip": 0.1}], FETCH, "timeout"),
    "stall": scripted([{"send": f"{OK}{PLAIN}{LENGTH}\r\n"}, {"then": "stall"}], FETCH, "timeout"),
    "silent-in-tls": scripted([{"then": "stall"}], FETCH, "timeout"),
    # What is no HTTP, or ends early
    "closed": Refused({"defect": "closed"}, FETCH, "http-protocol-error"),
    "cut-short": scripted([{"send": f"{OK}{PLAIN}Content-Length: 4000\r\n\r\n{{body}}", "then": "close"}], FETCH, "http-protocol-error"),
    "reset": scripted([{"send": f"{OK}{PLAIN}{LENGTH}\r\n"}, {"then": "reset"}], FETCH, "http-protocol-error"),
    "not-http": scripted([{"send": "220 smtp.example ESMTP\r\n"}], FETCH, "http-protocol-error"),
    # S18, T-14: the certificate
    "cert-expired": certificate("expired", "CERT_HAS_EXPIRED"),
    "cert-issuer-expired": certificate("issuer-expired", "CERT_HAS_EXPIRED"),
    "cert-future": certificate("future", "CERT_NOT_YET_VALID"),
    "cert-self-signed": certificate("self-signed", "DEPTH_ZERO_SELF_SIGNED_CERT"),
    "cert-unknown-ca": certificate("unknown-ca", "SELF_SIGNED_CERT_IN_CHAIN"),
    "cert-no-intermediate": certificate("missing-intermediate", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"),
    "cert-broken": certificate("broken-signature", "CERT_SIGNATURE_FAILURE"),
    "cert-for-clients": certificate("wrong-usage", "INVALID_PURPOSE"),
    "cert-other-name": certificate("other-name", "HOSTNAME_MISMATCH"),
    "cert-parent-name": certificate("domain-name", "HOSTNAME_MISMATCH"),
    "cert-common-name": certificate("cn-only", "HOSTNAME_MISMATCH"),
    "cert-wide-wildcard": certificate("wildcard-above", "HOSTNAME_MISMATCH"),
    "cert-partial-wildcard": certificate("wildcard-partial", "HOSTNAME_MISMATCH"),
    "cert-address": certificate("ip-only", "HOSTNAME_MISMATCH"),
    # S19, T-14: the policy host is somebody else's, and shows somebody else's name
    "cname-own-certificate": Refused(
        {"cname": "mta-sts.sts-enforce.test.", "certificate_for": "mta-sts.sts-enforce.test"}, WEBPKI, "X509_V_ERR_HOSTNAME_MISMATCH"
    ),
    "tls-1.1": Refused({"host": "script", "tls_maximum": "1.1"}, FETCH, "tls-handshake-failed"),
    # Nobody there
    "refused": Refused({"address": "refused"}, FETCH, "connection-failed"),
    "unreachable": Refused({"address": "unreachable"}, FETCH, "connection-failed"),
    "silent": Refused({"address": "silent"}, FETCH, "timeout"),
    "no-address": Refused({"address": "none"}, FETCH, "no-address"),
    "private-address": Refused({"address": "private"}, FETCH, "address-not-public", "10.99.0.25"),
    "loopback-address": Refused({"address": "loopback"}, FETCH, "address-not-public"),
    "lame-address": Refused({"cname": "mta-sts.x.lame.test."}, FETCH, "dns-failure"),
    "bogus-address": Refused({"cname": "mta-sts.any.bogus.test."}, FETCH, "dns-failure"),
    # T-13: the text
    "web-page": text("<html><body>Welcome</body></html>", "not-a-field"),
    "empty": Refused({"defect": "empty"}, INVALID, "missing-version"),
    "no-mx": text(policy("version: STSv1", "mode: enforce", "max_age: 86400"), "missing-mx"),
    "no-mode": text(policy("version: STSv1", "mx: *.test", "max_age: 86400"), "missing-mode"),
    "no-max-age": text(policy("version: STSv1", "mode: enforce", "mx: *.test"), "missing-max_age"),
    "no-version": text(policy("mode: enforce", "mx: *.test", "max_age: 86400"), "missing-version"),
    "version-2": text(policy("version: STSv2", "mode: enforce", "mx: *.test", "max_age: 86400"), "unsupported-version", "line 1"),
    "mode-capital": text(policy("version: STSv1", "mode: Enforce", "mx: *.test", "max_age: 86400"), "bad-mode", "line 2"),
    "key-capital": text(policy("Version: STSv1", "mode: enforce", "mx: *.test", "max_age: 86400"), "missing-version"),
    "blank-before-colon": text(policy("version: STSv1", "mode : enforce", "mx: *.test", "max_age: 86400"), "bad-key", "line 2"),
    "mx-list": text(policy("version: STSv1", "mode: enforce", "mx: a.test, b.test", "max_age: 86400"), "bad-mx", "line 3"),
    "mx-star": text(policy("version: STSv1", "mode: enforce", "mx: *", "max_age: 86400"), "bad-mx", "line 3"),
    "age-negative": text(policy("version: STSv1", "mode: enforce", "mx: *.test", "max_age: -1"), "bad-max_age", "line 4"),
    "age-in-days": text(policy("version: STSv1", "mode: enforce", "mx: *.test", "max_age: 7d"), "bad-max_age", "line 4"),
    "age-eleven-digits": text(policy("version: STSv1", "mode: enforce", "mx: *.test", "max_age: 10000000000"), "bad-max_age"),
    "nul": text(policy("version: STSv1", "mode: enforce", "mx: *.test\0", "max_age: 86400"), "control-character", "line 3"),
    "bare-cr": text("version: STSv1\rmode: enforce\rmx: *.test\rmax_age: 86400\r", "control-character", "line 1"),
}  # fmt: skip

NO_RECORD = {
    "record-absent": NoRecord(False),
    "record-twice": NoRecord(["v=STSv1; id=1;", "v=STSv1; id=2;"], "more than one record"),
    "record-dashed-id": NoRecord("v=STSv1; id=2026-01-01;", "id"),
    "record-no-id": NoRecord("v=STSv1;", "id"),
    "record-long-id": NoRecord(f"v=STSv1; id={'a' * 33};", "id"),
    "record-version-10": NoRecord("v=STSv10; id=1;"),
    "record-version-case": NoRecord("V=STSv1; id=1;"),
    "record-empty-field": NoRecord("v=STSv1;; id=1;", " "),
    "record-other": NoRecord("v=spf1 -all"),
}

TAKEN = {
    "plain": Taken({}),
    "utf8": Taken({"defect": "utf8"}),
    "exactly-the-cap": Taken({"defect": "65536"}),
    "type-in-capitals": answered(f"{OK}CONTENT-TYPE: TEXT/PLAIN\r\n{LENGTH}"),
    "type-with-parameters": answered(f'{OK}Content-Type: text/plain ; charset="us-ascii"; format=flowed\r\n{LENGTH}'),
    "http-1.0": answered(f"HTTP/1.0 200 OK\r\n{PLAIN}"),
    "interim": answered(f"HTTP/1.1 103 Early Hints\r\nContent-Type: text/html\r\n\r\n{OK}{PLAIN}{LENGTH}"),
    "identity": answered(f"{OK}{PLAIN}Content-Encoding: identity\r\n{LENGTH}"),
    "cert-wildcard": Taken({"certificate": "wildcard"}),
    "cert-several-names": Taken({"certificate": "several-names"}),
    "cert-in-capitals": Taken({"certificate": "upper-case"}),
    "cert-rsa": Taken({"certificate": "rsa"}),
    "cname": Taken({"cname": "mta-sts.sts-enforce.test."}),  # S19: with a certificate for the domain's own name
    "record-among-others": Taken({"txt": ["v=spf1 -all", "v=STSv1; id=1;"]}),
    "record-no-final-semicolon": Taken({"txt": "v=STSv1;id=1"}),
    "record-extension": Taken({"txt": "v=STSv1; foo=bar; id=1; id=2"}, shown={"id": "1"}),  # S5: the first counts
    "record-alias": Taken({"txt": False}, ("_mta-sts CNAME record.{domain}.", 'record TXT "v=STSv1; id=alias;"'), {"id": "alias"}),
    "record-in-pieces": Taken({"txt": False}, ('_mta-sts TXT "v=STSv1; i" "d=pieces"',), {"id": "pieces"}),
    "lf": Taken({"body": policy("version: STSv1", "mode: enforce", "mx: *.{domain}", "max_age: 86400", end="\n")}),
    "any-order": Taken({"body": policy("max_age: 86400", "mx: *.{domain}", "mode: enforce", "version: STSv1")}),
    "duplicates": Taken(
        {
            "body": policy(
                "version: STSv1", "mode: enforce", "mode: none", "mx: *.{domain}", "max_age: 86400", "max_age: 0", "version: x"
            )
        },
        shown={"mode": "enforce"},
    ),
    "unknown-keys": Taken({"body": policy("version: STSv1", "mode: enforce", "x: ü", "mx: *.{domain}", "max_age: 86400")}),
    "byte-order-mark": Taken({"body": "\ufeff" + policy("version: STSv1", "mode: enforce", "mx: *.{domain}", "max_age: 86400")}),
    "no-final-line-end": Taken({"body": "version: STSv1\nmode: enforce\nmx: *.{domain}\nmax_age: 86400"}),
    "age-beyond-a-year": Taken({"body": policy("version: STSv1", "mode: enforce", "mx: *.{domain}", "max_age: 9999999999")}),
}  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""What DNSSEC and TLSA records can be (RFC 7672, RFC 7671, RFC 6698), and what mail must make of it.

`keys` are those of the lab's table. Unless a case says otherwise its MX shows a certificate that signs itself: good
enough for usage 3, for nothing else. {own}, {target} and {weak} in records and names stand for the case's own domain,
for a signed one whose MX host others are aliases of, and for its unsigned twin.
"""

from dataclasses import dataclass

VERIFIED = "verified"  # delivered, and the log says DANE verified it
HOST_ONLY = "host-only"  # a TLSA record matched, under MX records nobody signed (D7)
ENCRYPTED = "encrypted"  # TLS demanded, and DANE asks no more of the certificate (RFC 7672 §2.2: nothing usable)
OPEN = "open"  # DANE asks nothing, mail is delivered
REFUSED = "refused"  # deferred, no octet of mail leaves


@dataclass(frozen=True)
class Case:
    keys: dict
    outcome: str
    says: str = ""  # in the reason of a deferral
    host: str = "mx1"  # that took the mail


def tlsa(*records: str, outcome: str = VERIFIED, says: str = "", **keys) -> Case:
    return Case({"tlsa": list(records), **keys}, outcome, says or (MISMATCH if outcome == REFUSED else ""))


MISMATCH = "no TLSA record matches it"
LOOKUP = "TLSA lookup failed"
NUMBERS = [(s, m) for s in (0, 1) for m in (0, 1, 2)]

# DANE-01: usages, selectors, matching types; what a certificate must otherwise be
MATCHING = {
    **{f"3-{s}-{m}": tlsa(f"3 {s} {m}") for s, m in NUMBERS},
    **{f"3-{s}-{m}-wrong": tlsa(f"3 {s} {m} wrong", outcome=REFUSED) for s, m in NUMBERS if m},
    **{f"2-{s}-{m}": tlsa(f"2 {s} {m}", certificate="unknown-ca") for s, m in NUMBERS},
    **{f"2-{s}-{m}-wrong": tlsa(f"2 {s} {m} wrong", certificate="unknown-ca", outcome=REFUSED) for s, m in NUMBERS if m},
    "3-expired": tlsa("3 1 1", certificate="expired"),
    "3-other-name": tlsa("3 0 2", certificate="other-name"),
    "3-no-name": tlsa("3 1 1", certificate="no-names"),
    "3-for-clients": tlsa("3 1 1", certificate="wrong-usage"),
    "3-good-certificate-wrong-key": tlsa("3 1 1 wrong", certificate="good", outcome=REFUSED),
    "2-other-name": tlsa("2 1 1", certificate="other-name", outcome=REFUSED, says="does not name"),
    "2-expired": tlsa("2 1 1", certificate="expired", outcome=REFUSED, says="expired"),
    "2-issuer-expired": tlsa("2 1 1", certificate="issuer-expired", outcome=REFUSED, says="expired"),
    "2-broken-signature": tlsa("2 1 1", certificate="broken-signature", outcome=REFUSED, says="not valid"),
    "2-wildcard": tlsa("2 1 1", certificate="wildcard"),
    "2-domain-name": tlsa("2 1 1", certificate="domain-name"),  # D16: the MX set is secure, so the mail domain may stand there
    "2-anchor-above": tlsa("2 1 1", certificate="with-root"),  # the last that is sent is the root
    "2-anchor-not-sent": Case({"certificate": "missing-intermediate", "records": ["_25._tcp.mx1 TLSA {anchor 2 1 1}"]}, REFUSED, MISMATCH),
    "2-anchor-in-the-record": Case({"certificate": "missing-intermediate", "records": ["_25._tcp.mx1 TLSA {anchor 2 0 0}"]}, VERIFIED),
}  # fmt: skip

# DANE-02: records that are not usable; D12 (b): TLS all the same
UNUSABLE = {
    **{
        name: tlsa(record, outcome=ENCRYPTED)
        for name, record in {
            "usage-0": "0 0 1", "usage-1": "1 1 1", "usage-9": "9 1 1 00", "selector-9": "3 9 1", "matching-9": "3 1 9",
            "short-256": "3 1 1 short", "short-512": "3 1 2 short", "one-octet": "3 1 1 00",
            "full-nonsense": "3 1 0 0102", "full-certificate-nonsense": "2 0 0 3003",
        }.items()
    },
    "all-kinds": tlsa("0 0 1", "1 1 1", "3 1 1 short", "9 1 1 00", outcome=ENCRYPTED),
    "beside-a-good-one": tlsa("1 1 1 wrong", "3 1 1 short", "3 1 1"),
    "beside-a-wrong-one": tlsa("1 1 1", "3 1 1 short", "3 1 1 wrong", outcome=REFUSED),
    "in-clear": tlsa("3 1 1 short", starttls=False, outcome=REFUSED, says="TLS required"),
    "usable-in-clear": tlsa("3 1 1", starttls=False, outcome=REFUSED, says="TLS required"),
    "none-in-clear": Case({"starttls": False}, OPEN),
}  # fmt: skip

# DANE-10: the strongest digest of each usage and selector counts; any record that counts may match (D18, D20)
AGILITY = {
    "512-wrong-256-right": tlsa("3 1 2 wrong", "3 1 1", outcome=REFUSED),
    "512-right-256-wrong": tlsa("3 1 2", "3 1 1 wrong"),
    "256-wrong-full-right": tlsa("3 1 1 wrong", "3 1 0"),
    "512-unusable-256-right": tlsa("3 1 2 short", "3 1 1"),
    "other-selector": tlsa("3 1 2 wrong", "3 0 1"),
    "other-usage": tlsa("2 1 2 wrong", "3 1 1"),
    "rollover": tlsa("3 1 1 wrong", "3 1 1"),
}  # fmt: skip

TARGET_WRONG = ["_25._tcp.mx1 TLSA {target 3 1 1 wrong}"]
# D1-D11: secure, insecure and bogus at every link
LINKS = {
    "mx-bogus": Case({"tlsa": ["3 1 1"], "bogus": ["@ MX"]}, REFUSED, "MX"),
    "mx-insecure-host-secure": Case({"name": "{own}.insecure", "mx": ["mx1.{target}."]}, HOST_ONLY, host="mx1.{target}"),
    "mx-insecure-host-secure-wrong": Case({"name": "{own}.insecure", "mx": ["mx2.{target}."]}, REFUSED, MISMATCH),
    "address-bogus": Case({"tlsa": ["3 1 1"], "bogus": ["mx1 A", "mx1 AAAA"]}, REFUSED, "address"),
    "address-bogus-next-good": Case({"mx": ["mx1", "mx2"], "tlsa": ["3 1 1"], "bogus": ["mx1 A", "mx1 AAAA"]}, VERIFIED, host="mx2"),
    "address-insecure": Case({"mx": ["mx2.{weak}."]}, OPEN, host="mx2.{weak}"),  # DANE-05: its wrong TLSA is not asked for
    "tlsa-bogus": Case({"tlsa": ["3 1 1"], "bogus": ["_25._tcp.mx1 TLSA"]}, REFUSED, LOOKUP),
    "tlsa-bogus-next-good": Case(
        {"mx": ["mx1", {"host": "mx2", "tlsa": ["3 1 1"]}], "tlsa": ["3 1 1"], "bogus": ["_25._tcp.mx1 TLSA"]}, VERIFIED, host="mx2"
    ),  # DANE-03
    "tlsa-wrong-next-good": Case({"mx": [{"host": "mx1", "tlsa": ["3 1 1 wrong"]}, {"host": "mx2", "tlsa": ["3 1 1"]}]}, VERIFIED, host="mx2"),
    "tlsa-wrong-next-without": Case({"mx": [{"host": "mx1", "tlsa": ["3 1 1 wrong"]}, "mx2"]}, OPEN, host="mx2"),
    "tlsa-absent": Case({}, OPEN),  # DANE-04: NXDOMAIN, proven
    "tlsa-no-data": Case({"records": ["_25._tcp.mx1 TXT x"]}, OPEN),
    "tlsa-insecure": Case({"name": "{own}.insecure", "tlsa": ["3 1 1 wrong"]}, OPEN),
    "first-without-second-with": Case({"mx": ["mx1", {"host": "mx2", "tlsa": ["3 1 1"]}]}, OPEN),  # DANE-09: preference counts
    "no-mx-record": Case({"mx": [], "tlsa": ["3 1 1"]}, VERIFIED, host=""),
    "no-mx-record-wrong": Case({"mx": [], "tlsa": ["3 1 1 wrong"]}, REFUSED, MISMATCH),
    # DANE-06: the MX host is an alias
    "alias": Case({"mx": [{"host": "mx1", "cname": "mx1.{target}."}]}, VERIFIED),
    "alias-wrong": Case({"mx": [{"host": "mx1", "cname": "mx2.{target}."}]}, REFUSED, MISMATCH),
    "alias-end-counts-first": Case({"mx": [{"host": "mx1", "cname": "mx1.{target}."}], "records": TARGET_WRONG}, VERIFIED),
    "alias-own-records": Case(
        {"mx": [{"host": "mx1", "cname": "mx3.{target}."}], "records": ["_25._tcp.mx1 TLSA {third 3 1 1}"]}, VERIFIED
    ),
    "alias-own-records-wrong": Case(
        {"mx": [{"host": "mx1", "cname": "mx3.{target}."}], "records": ["_25._tcp.mx1 TLSA {third 3 1 1 wrong}"]}, REFUSED, MISMATCH
    ),
    "alias-middle-ignored": Case(
        {
            "mx": [{"host": "mx1", "cname": "middle.{own}."}],
            "records": ["middle CNAME mx3.{target}.", "_25._tcp.middle TLSA {third 3 1 1 wrong}"],
        },
        OPEN,
    ),
    "alias-to-insecure": Case(
        {"mx": [{"host": "mx1", "cname": "mx1.{weak}."}], "records": ["_25._tcp.mx1 TLSA {weak 3 1 1}"]}, VERIFIED
    ),
    "alias-to-insecure-wrong": Case(
        {"mx": [{"host": "mx1", "cname": "mx1.{weak}."}], "records": ["_25._tcp.mx1 TLSA {weak 3 1 1 wrong}"]}, REFUSED, MISMATCH
    ),
    "alias-insecure": Case({"mx": ["alias.{weak}."]}, OPEN, host="alias.{weak}"),  # its end is secure and has wrong records
    "alias-bogus": Case({"mx": [{"host": "mx1", "cname": "mx1.{target}."}], "bogus": ["mx1 CNAME"]}, REFUSED, "address"),
    # DANE-07: an alias where the TLSA records are
    "tlsa-alias": Case({"records": ["_25._tcp.mx1 CNAME tlsa.{own}.", "tlsa TLSA {self 3 1 1}"]}, VERIFIED),
    "tlsa-alias-wrong": Case({"records": ["_25._tcp.mx1 CNAME tlsa.{own}.", "tlsa TLSA {self 3 1 1 wrong}"]}, REFUSED, MISMATCH),
    "tlsa-alias-to-insecure": Case({"records": ["_25._tcp.mx1 CNAME _25._tcp.mx2.{weak}."]}, OPEN),
    "tlsa-alias-to-lame": Case({"records": ["_25._tcp.mx1 CNAME x.lame.test."]}, REFUSED, LOOKUP),
    "tlsa-alias-to-bogus": Case({"records": ["_25._tcp.mx1 CNAME mx1.any.bogus.test."]}, REFUSED, LOOKUP),
}  # fmt: skip

ENFORCE, TESTING = {"sts": {"mode": "enforce"}}, {"sts": {"mode": "testing"}}
STS_CERTIFICATE = "not valid for the MTA-STS policy"
# T-18, DANE-12: with an MTA-STS policy beside it. The certificate `good` satisfies the policy, `self-signed` does not.
COMBINED = {
    "both-good": tlsa("3 1 1", certificate="good", **ENFORCE),
    "tlsa-wrong-policy-good": tlsa("3 1 1 wrong", certificate="good", outcome=REFUSED, **ENFORCE),
    "tlsa-wrong-policy-testing": tlsa("3 1 1 wrong", certificate="good", outcome=REFUSED, **TESTING),
    "tlsa-bogus-policy-good": Case({"tlsa": ["3 1 1"], "certificate": "good", "bogus": ["_25._tcp.mx1 TLSA"], **ENFORCE}, REFUSED, LOOKUP),
    "tlsa-good-policy-bad": tlsa("3 1 1", outcome=REFUSED, says=STS_CERTIFICATE, **ENFORCE),
    "tlsa-good-policy-testing": tlsa("3 1 1", **TESTING),
    "tlsa-unusable-policy-good": tlsa("3 1 1 short", certificate="good", outcome=ENCRYPTED, **ENFORCE),
    "tlsa-unusable-policy-bad": tlsa("3 1 1 short", outcome=REFUSED, says=STS_CERTIFICATE, **ENFORCE),
    "tlsa-unusable-policy-testing-clear": tlsa("3 1 1 short", starttls=False, outcome=REFUSED, says="TLS required", **TESTING),
    "tlsa-absent-policy-bad": Case(ENFORCE, REFUSED, STS_CERTIFICATE),
}  # fmt: skip

# D13, DANE-11: a partner rule that demands DANE
DEMANDED = {
    "good": tlsa("3 1 1"),
    "wrong": tlsa("3 1 1 wrong", outcome=REFUSED),
    "absent": Case({"certificate": "good"}, REFUSED, "DANE required"),
    "unusable": tlsa("3 1 1 short", certificate="good", outcome=REFUSED, says="DANE required"),
    "mx-insecure": Case({"name": "{own}.insecure", "mx": ["mx1.{target}."]}, REFUSED, "DANE required"),
}  # fmt: skip

# SPDX-License-Identifier: Apache-2.0
"""RPT-04: each result type of RFC 8460 §4.3, made by its exact condition and read in the day's report.

One message to each domain of the table, all on their way at once, one attempt each. The report is the one that would
be sent, as `report preview` prints it, judged by reportcheck.py. The scripted hosts say how many sessions there were.
"""

import json

import pytest
import reportcheck
from lab.world import wait_for
from relay import Relay, utc_day

ENFORCE = {"sts": {"mode": "enforce"}}
NO_MAX_AGE = "version: STSv1\r\nmode: enforce\r\nmx: *.test\r\n"
FAILED = "failed"
PASSED = "passed"

# name: what is published and served; then for each policy type that must be in the report: did the sessions pass,
# and which result type with which reason. Hosts are scripted unless the row says otherwise.
ROWS = {
    "no-starttls": ({"starttls": False, **ENFORCE}, {"sts": (FAILED, "starttls-not-supported", "starttls-not-offered")}),
    "454": (
        {"script": [{"at": "starttls", "reply": "454 4.7.0 TLS not available"}]},
        {"no-policy-found": (FAILED, "starttls-not-supported", "454 4.7.0 TLS not available")},
    ),
    "clear": ({"starttls": False}, {"no-policy-found": (FAILED, "starttls-not-supported", "starttls-not-offered")}),
    "host": ({"certificate": "other-name", **ENFORCE}, {"sts": (FAILED, "certificate-host-mismatch", "X509_V_ERR_HOSTNAME_MISMATCH")}),
    "expired": ({"certificate": "expired", **ENFORCE}, {"sts": (FAILED, "certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED")}),
    "testing": (
        {"certificate": "expired", "sts": {"mode": "testing"}},
        {"sts": (FAILED, "certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED")},
    ),
    "untrusted": (
        {"certificate": "unknown-ca", **ENFORCE},
        {"sts": (FAILED, "certificate-not-trusted", "X509_V_ERR_")},
    ),
    "mx-not-listed": (
        {"sts": {"mode": "enforce", "mx": ["elsewhere.test"]}},
        {"sts": (FAILED, "validation-failure", "mx-not-in-sts-policy")},
    ),
    "handshake": ({"script": [{"at": "handshake", "then": "reset"}], **ENFORCE}, {"sts": (FAILED, "validation-failure", "")}),
    "old-tls": ({"tls_maximum": "1.1", **ENFORCE}, {"sts": (FAILED, "validation-failure", "")}),
    "tlsa-wrong": ({"tlsa": ["3 1 1 wrong"]}, {"tlsa": (FAILED, "tlsa-invalid", "no-tlsa-record-matched")}),
    "tlsa-unusable": ({"tlsa": ["3 1 1 short"]}, {"tlsa": (FAILED, "tlsa-invalid", "all-tlsa-records-unusable")}),
    "tlsa-expired": ({"tlsa": ["2 1 1"], "certificate": "expired"}, {"tlsa": (FAILED, "certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED")}),
    "tlsa-name": ({"tlsa": ["2 1 1"], "certificate": "other-name"}, {"tlsa": (FAILED, "certificate-host-mismatch", "")}),
    "tlsa-bogus": (
        {"tlsa": ["3 1 1"], "bogus": ["_25._tcp.mx1 TLSA"]},
        {"tlsa": (FAILED, "dnssec-invalid", "")},
    ),
    "dane-partner": ({}, {"tlsa": (FAILED, "dane-required", "no-secure-tlsa")}),
    "policy-404": ({"sts": {"defect": "404"}}, {"sts": (PASSED, "sts-policy-fetch-error", "http-status-404")}),
    "policy-gone": ({"sts": {"address": "refused"}}, {"sts": (PASSED, "sts-policy-fetch-error", "")}),
    "policy-html": ({"sts": {"defect": "html"}}, {"sts": (PASSED, "sts-policy-invalid", "media-type")}),
    "policy-short": ({"sts": {"body": NO_MAX_AGE}}, {"sts": (PASSED, "sts-policy-invalid", "missing-max_age")}),
    "policy-cert": ({"sts": {"certificate": "expired"}}, {"sts": (PASSED, "sts-webpki-invalid", "X509_V_ERR_CERT_HAS_EXPIRED")}),
    # T-46: whatever a host says, the report stays well-formed.
    "hostile": (
        {"script": [{"at": "starttls", "reply": '454 4.7.0 "}],"\\ <b>%s</b> {{}}'}]},
        {"no-policy-found": (FAILED, "starttls-not-supported", '454 4.7.0 "}],"\\ <b>')},
    ),
    # RPT-05: an entry for each policy, with a verdict of its own; no-policy-found only where there is none.
    "both": ({"tlsa": ["3 1 1"], **ENFORCE}, {"sts": (PASSED, "", ""), "tlsa": (PASSED, "", "")}),
    "both-dane-bad": (
        {"tlsa": ["3 1 1 wrong"], **ENFORCE},
        {"sts": (PASSED, "", ""), "tlsa": (FAILED, "tlsa-invalid", "no-tlsa-record-matched")},
    ),
    "both-sts-bad": (
        {"tlsa": ["3 1 1"], "certificate": "self-signed", **ENFORCE},
        {"sts": (FAILED, "certificate-not-trusted", "X509_V_ERR_"), "tlsa": (PASSED, "", "")},
    ),
    "none": ({"certificate": "self-signed"}, {"no-policy-found": (PASSED, "", "")}),
    "postfix": ({"peer": "postfix", "certificate": "expired", **ENFORCE}, {"sts": (FAILED, "certificate-expired", "X509_V_ERR_")}),
    "exim": ({"peer": "exim", "starttls": False, **ENFORCE}, {"sts": (FAILED, "starttls-not-supported", "")}),
}  # fmt: skip
NO_SESSION = {"mx-not-listed", "tlsa-bogus", "dane-partner"}  # the host is not contacted at all
OTHER_PEERS = {"postfix", "exim"}


def domain_of(row: str) -> str:
    return f"rt-{row}.test"


@pytest.fixture(scope="module")
def counted(lab, tmp_path_factory):
    """One message to every domain: the relay, when every attempt is over."""
    lab.change_all(*({"name": f"rt-{name}", "peer": "script", **world} for name, (world, _) in ROWS.items()))
    rule = {"name": "Demands DANE", "tls": "dane", "domains": [domain_of("dane-partner")], "on_failure": "defer"}
    relay = Relay(lab, tmp_path_factory.mktemp("result-types"), partners=[rule], delivery={"retry": ["1h"], "lifetime": "1d", "delay_notice": "6h"})
    relay.start()
    ids = {row: relay.submit("a@home.test", f"b@{domain_of(row)}", "Subject: x\r\n\r\nx\r\n") for row in ROWS}

    def under_way() -> list[str]:
        queue = {e["id"]: e["state"] for e in relay.queue()}
        return [row for row, id in ids.items() if queue.get(id, "deferred") != "deferred"]

    assert wait_for(lambda: not under_way(), 60, 0.2), under_way()
    yield relay
    relay.kill()


def preview(relay: Relay, domain: str) -> dict:
    """The report as it would be sent, checked; `report preview` waits for what has been counted."""
    done = relay.command("--json", "report", "preview", "--day", utc_day(), "--domain", domain)
    assert done.returncode == 0, done.stderr
    reportcheck.check(done.stdout.encode())
    return {p["policy"]["policy-type"]: p for p in json.loads(done.stdout)["policies"]}


def sessions_of(entry: dict) -> int:
    return sum(entry["summary"].values())


@pytest.mark.parametrize("row", ROWS)
def test_RPT04_RPT05_each_condition_has_its_result_type(lab, counted, row):
    policies = preview(counted, domain_of(row))
    expected = ROWS[row][1]
    assert set(policies) == set(expected)
    for kind, (verdict, result, reason) in expected.items():
        entry = policies[kind]
        good, bad = (entry["summary"][f"total-{n}-session-count"] for n in ("successful", "failure"))
        assert (good > 0, bad > 0) == (verdict == PASSED, verdict == FAILED)
        details = entry["failure-details"]
        assert {d["result-type"] for d in details} == ({result} if result else set())
        for detail in details:
            assert detail["failure-reason-code"].startswith(reason)
            fetch = result.startswith("sts-")
            assert ("receiving-mx-hostname" in detail) != fetch
            assert ("receiving-ip" in detail) == (not fetch and row not in NO_SESSION)
        assert sum(d["failed-session-count"] for d in details) == (good + bad if result else 0)


@pytest.mark.parametrize("row", sorted(ROWS.keys() - OTHER_PEERS))
def test_RPT04_exactly_once_per_session(lab, counted, row):
    seen = len(lab.sessions(f"mx1.{domain_of(row)}"))
    assert (seen == 0) == (row in NO_SESSION)
    for entry in preview(counted, domain_of(row)).values():
        assert sessions_of(entry) == (seen or 1)


def test_RPT06_mail_over_an_open_connection_counts_nothing(lab, counted):
    """50 messages; the report has the handshakes that the host saw, which are fewer."""
    lab.change("rt-reuse", peer="script")
    for _ in range(5):
        with counted.client() as client:
            for _ in range(10):
                client.sendmail("a@home.test", "b@rt-reuse.test", "Subject: again\r\n\r\nx\r\n")
    assert wait_for(lambda: len(lab.mail_of("rt-reuse.test")) == 50, 30, 0.1)
    handshakes = sum(1 for s in lab.sessions("mx1.rt-reuse.test") if s.tls)
    assert 1 <= handshakes < 25
    entry = preview(counted, "rt-reuse.test")["no-policy-found"]
    assert entry["summary"] == {"total-successful-session-count": handshakes, "total-failure-session-count": 0}

# SPDX-License-Identifier: Apache-2.0
"""A TLS report judged against RFC 8460 §4.4 and I-JSON, without a line of the relay's own code."""

import datetime
import ipaddress
import json
import re

RESULT_TYPES = {
    "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
    "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
    "sts-policy-invalid", "sts-webpki-invalid",
}  # fmt: skip
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")


def no_twins(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a member is there twice: {names}"
    return dict(pairs)


def read(octets: bytes) -> dict:
    """I-JSON (RFC 7493): UTF-8, no member twice."""
    return json.loads(octets.decode("utf-8"), object_pairs_hook=no_twins)


def is_count(value, least: int) -> bool:
    return type(value) is int and least <= value < 2**53


def members(where: str, value: dict, required: set[str], optional: set[str] = frozenset()):
    assert isinstance(value, dict), where
    assert required <= set(value) <= required | optional, f"{where}: {sorted(value)}"
    for name, member in value.items():
        assert member is not None and member != "", f"{where}.{name} is empty"


def check_policy(policy: dict):
    members("policy", policy, {"policy-type", "policy-string", "policy-domain"}, {"mx-host"})
    assert policy["policy-type"] in ("tlsa", "sts", "no-policy-found")
    for name in ("policy-string", "mx-host"):
        lines = policy.get(name, [])
        assert isinstance(lines, list) and all(isinstance(s, str) and "\r" not in s and "\n" not in s for s in lines)
    assert NAME.fullmatch(policy["policy-domain"])
    if policy["policy-type"] != "sts":
        assert "mx-host" not in policy
    if policy["policy-type"] == "no-policy-found":
        assert policy["policy-string"] == []
    if policy["policy-type"] == "tlsa":
        assert all(re.fullmatch(r"\d+ \d+ \d+ [0-9A-F]+", s) for s in policy["policy-string"])


def check_detail(detail: dict):
    optional = {
        "sending-mta-ip", "receiving-ip", "receiving-mx-hostname", "receiving-mx-helo", "additional-information",
        "failure-reason-code",
    }  # fmt: skip
    members("failure-detail", detail, {"result-type", "failed-session-count"}, optional)
    assert detail["result-type"] in RESULT_TYPES
    assert is_count(detail["failed-session-count"], 1)
    for name in ("sending-mta-ip", "receiving-ip"):
        if name in detail:
            assert str(ipaddress.ip_address(detail[name])) == detail[name]  # RFC 5952 form
    if "receiving-mx-hostname" in detail:
        assert NAME.fullmatch(detail["receiving-mx-hostname"])
    for value in detail.values():
        assert not isinstance(value, str) or (len(value.encode()) <= 300 and value.isprintable())


def check(octets: bytes) -> dict:
    """The report, when it is one; otherwise an AssertionError that says why not."""
    report = read(octets)
    members("report", report, {"organization-name", "date-range", "contact-info", "report-id", "policies"})
    members("date-range", report["date-range"], {"start-datetime", "end-datetime"})
    start, end = (report["date-range"][n] for n in ("start-datetime", "end-datetime"))
    assert start.endswith("T00:00:00Z") and end.endswith("T23:59:59Z") and start[:10] == end[:10]
    datetime.date.fromisoformat(start[:10])
    assert re.fullmatch(r"[^@\s]+@[a-z0-9.-]+", report["contact-info"])
    assert "@" in report["report-id"]
    assert isinstance(report["policies"], list) and report["policies"]
    keys = [json.dumps(p["policy"], sort_keys=True) for p in report["policies"]]
    assert len(keys) == len(set(keys)), "a policy is there twice"
    for entry in report["policies"]:
        members("policies[]", entry, {"policy", "summary", "failure-details"})
        check_policy(entry["policy"])
        members("summary", entry["summary"], {"total-successful-session-count", "total-failure-session-count"})
        assert all(is_count(n, 0) for n in entry["summary"].values())
        assert isinstance(entry["failure-details"], list)
        for detail in entry["failure-details"]:
            check_detail(detail)
        failed = sum(d["failed-session-count"] for d in entry["failure-details"])
        assert failed >= entry["summary"]["total-failure-session-count"], "failed sessions without a detail"
    return report

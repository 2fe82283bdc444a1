# SPDX-License-Identifier: Apache-2.0
"""The rows of the comparison: the functional tests' own cases, and what sealpost does with each as those tests prove it.

Each row is a domain of the lab. `then` is published after a first message, and the outcome is that of a second one.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "functional")]

import test_dane as dane  # noqa: E402
import test_policy_hosts as hosts  # noqa: E402
from dane_cases import REFUSED as KEPT_BACK  # noqa: E402
from policy_cases import NO_RECORD, REFUSED, TAKEN  # noqa: E402

DEFERRED, DELIVERED = "deferred", "delivered"


@dataclass(frozen=True)
class Row:
    group: str
    name: str
    domain: str
    keys: dict
    expected: str  # of sealpost: DEFERRED or DELIVERED
    then: dict = field(default_factory=dict)
    dane_only: bool = False  # both have a local rule that demands DANE


GROUPS = {  # heading, and what is common to its rows
    "fresh": ("Policies that cannot be had, first contact", "The MX shows a certificate nobody trusts; without a policy that is no reason to keep mail."),
    "kept": ("Policies that cannot be had, a good one cached", "The same defects, published under a new id while a good policy is cached and unexpired."),
    "taken": ("Unusual and right policies", "The MX shows a certificate nobody trusts, so a policy that is taken keeps mail back."),
    "applied": ("Hosts under a policy", "Which hosts a policy in mode enforce accepts."),
    "matching": ("Kinds of TLSA record", "Usages, selectors, matching types, and what else the certificate must be."),
    "unusable": ("Records that are not usable", "Alone, and beside usable ones."),
    "agility": ("Several records", "Digest agility and rollover."),
    "links": ("Secure, insecure, bogus", "At MX, address, alias and TLSA record."),
    "both": ("TLSA and MTA-STS", "The certificate `good` satisfies the policy."),
    "demanded": ("DANE demanded", "By a local rule: `tls = \"dane\"` here, `dane-only` there."),
}  # fmt: skip


def policy_rows() -> list[Row]:
    rows = []
    for name, case in {**REFUSED, **NO_RECORD}.items():
        fresh, kept = f"fresh-{name}", f"kept-{name}"
        then = hosts.published(kept, case)
        then["sts"].setdefault("txt", "v=STSv1; id=second;")
        rows.append(Row("fresh", name, fresh, {**hosts.UNTRUSTED, **hosts.published(fresh, case)}, DELIVERED))
        rows.append(Row("kept", name, kept, {**hosts.UNTRUSTED, "sts": hosts.ENFORCE}, DEFERRED, then))
    for name, case in TAKEN.items():
        domain = f"taken-{name}"
        rows.append(Row("taken", name, domain, {**hosts.UNTRUSTED, **hosts.published(domain, case)}, DEFERRED))
    for name, (keys, accepted, _) in hosts.APPLIED.items():
        keys = {"peer": "script", **keys, "sts": {**hosts.ENFORCE, **keys.get("sts", {})}}
        rows.append(Row("applied", name, f"applied-{name}", keys, DELIVERED if accepted else DEFERRED))
    return rows


def dane_rows(lab) -> list[Row]:
    rows = []
    for group, cases in dane.GROUPS.items():
        for name, case in cases.items():
            domain = dane.domain_of(f"{group}-{name}", case)
            fill = dane.Filler(lab, domain)
            keys = {**dane.BAD, **fill({k: v for k, v in case.keys.items() if k != "name"})} if lab else {}
            expected = DEFERRED if case.outcome == KEPT_BACK else DELIVERED
            rows.append(Row(group, name, domain, keys, expected, dane_only=group == "demanded"))
    return rows


def all_rows(lab) -> list[Row]:
    """Without a lab: for their names only."""
    order = list(GROUPS)
    return sorted([*policy_rows(), *dane_rows(lab)], key=lambda r: order.index(r.group))

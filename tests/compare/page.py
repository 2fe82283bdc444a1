# SPDX-License-Identifier: Apache-2.0
"""docs/compared-with-postfix.md from the results, and the explanation of each difference."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from rows import GROUPS, Row


@dataclass(frozen=True)
class Result:
    row: Row
    ours: str
    theirs: str


# Pattern of `group/name`, what Postfix does, and why it differs. The first that matches explains.
EXPLAINED = [
    ("applied/wildcard-two-labels", "delivered",
     "`*.b.example` covers one label (RFC 8461 §4.1). Postfix is told to match `.b.example`, which covers any number."),
    ("applied/other-listed-host", "delivered",
     "The certificate must name the MX host that was contacted (RFC 8461 §4.2). Postfix is told the policy's patterns as "
     "names a certificate may carry, so that of any other listed host will do."),
    ("both/tlsa-(wrong|bogus)-policy-good", "delivered",
     "A good MTA-STS policy must not make up for a failing DANE check (RFC 8461 §2). Here the policy map's answer takes the "
     "place of the level `dane`, so the TLSA records are not looked at."),
    ("fresh/gzip", "deferred",
     "The policy came compressed. The resolver's HTTP library offers to read that; sealpost offers nothing and refuses what it "
     "did not ask for, because what unpacks may have no end."),
    ("fresh/cert-common-name", "deferred",
     "The policy host's name must be among the certificate's alternative names; a common name does not count (RFC 8461 §3.3, "
     "RFC 9525). Python falls back to it where there are none."),
    ("fresh/mx-(list|star)", "deferred",
     "An `mx` that is no host name and no wildcard makes the policy invalid (RFC 8461 §3.2), so there is none. The "
     "resolver keeps it, and as nothing can match, no mail goes."),
    ("fresh/(nul|bare-cr)", "deferred",
     "NUL, or CR as the end of a line, is not in the grammar (RFC 8461 §3.2): the policy is invalid. The resolver takes it."),
    ("fresh/record-(dashed-id|long-id|empty-field)", "deferred",
     "The record breaks the grammar (RFC 8461 §3.1: an id has 1 to 32 letters and digits, no field is empty), so the domain "
     "has no policy. The resolver reads it all the same."),
    ("taken/duplicates", "delivered",
     "Of a repeated field the first counts (RFC 8461 §3.2), here `enforce`. The resolver takes the last, `none`."),
    ("taken/(unknown-keys|byte-order-mark)", "delivered",
     "UTF-8 is allowed in fields nobody knows (RFC 8461 §3.2), and a byte order mark before the first is common. The "
     "resolver decodes as ASCII unless the media type says more, and then has no policy."),
    ("taken/age-beyond-a-year", "delivered",
     "`max_age` beyond 31557600 seconds is undefined (RFC 8461, erratum 7282). The resolver drops the policy; sealpost "
     "applies it for as long as any may live, which protects more."),
    ("matching/2-issuer-expired", "delivered",
     "The anchor that a usage 2 record names is in the chain and has itself expired. Path validation takes name and key "
     "of an anchor as given (RFC 5280 §6.1.1), and Postfix lets it pass; sealpost goes by OpenSSL's verifier, which counts the "
     "dates of every certificate in the chain."),
]  # fmt: skip

HEAD = """\
# Compared with Postfix

What becomes of the same mail in sealpost and in Postfix 3.7 with `postfix-mta-sts-resolver` 1.1, both from Debian 12, in
every case of the functional tests that both can express. `tests/compare/run` plays all rows through both in one lab and
writes this page; it fails when a row of sealpost is not as the functional tests have it, or when a difference is not
explained below.

Both ask the same validating resolver and trust the same roots. Postfix runs with `smtp_tls_security_level = dane`,
`smtp_dns_support_level = dnssec`, and the resolver's socketmap as `smtp_tls_policy_maps`, as its documentation has it; its
`cache_grace` is 1 s instead of 60 s, so that it notices a changed policy at once. The names of the rows are those of
`tests/functional/policy_cases.py`, `dane_cases.py` and `test_policy_hosts.py`, where the conditions stand.

*Verified*: the log says that the certificate was proven, by DANE or by name and trusted root. *Encrypted*: TLS without
such proof. Not compared is what one of them does not do: TLS reports, partner rules other than DANE, what survives a restart.

"""


def explanation(result: Result) -> int:
    """Number of the explanation, from 1; 0: there is none."""
    where = f"{result.row.group}/{result.row.name}"
    for number, (pattern, theirs, _) in enumerate(EXPLAINED, 1):
        if re.fullmatch(pattern, where) and result.theirs.startswith(theirs):
            return number
    return 0


def text(results: list[Result]) -> str:
    differ = [r for r in results if r.ours != r.theirs]
    same = len(results) - len(differ)
    lines = [HEAD, f"{len(results)} cases: {same} alike, {len(differ)} different.\n\n## Differences\n\n"]
    lines += [f"{textwrap.fill(f'{number}. {why}', 120, subsequent_indent='   ')}\n" for number, (_, _, why) in enumerate(EXPLAINED, 1)]
    for group, (title, about) in GROUPS.items():
        rows = [r for r in results if r.row.group == group]
        lines.append(f"\n## {title}\n\n{about}\n\n| Case | sealpost | Postfix | |\n|---|---|---|---|\n")
        for result in rows:
            note = f"**{explanation(result)}**" if result in differ else ""
            lines.append(f"| {result.row.name} | {result.ours} | {result.theirs} | {note} |\n")
    return "".join(lines)


def write(path: Path, results: list[Result]):
    path.write_text(text(results))

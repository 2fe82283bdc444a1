# SPDX-License-Identifier: Apache-2.0
"""`sealpost dns show` and `dns check`: what an own domain should publish, asked of the lab's real name servers and policy hosts."""

import json
import re

import pytest
from dkimkeys import make_key
from lab.world import wait_for
from relay import Relay

GOOD_SPF = "@ TXT \"v=spf1 include:_spf.own-good.test -all\""
LEAVES_FROM = ("44.128.254.2", "2d00:5ea1:fe::2")  # as the lab has it


class Owner(Relay):
    """Signs for own-good.test and own-bad.test."""

    def __init__(self, lab, directory):
        directory.mkdir(parents=True, exist_ok=True)
        good, bad = (make_key(directory, f"own-{name}.test", "rsa") for name in ("good", "bad"))
        lab.change_all(
            {
                "name": "own-good", "sts": {"mode": "enforce"}, "tlsrpt": "v=TLSRPTv1; rua=mailto:r@home.test", "tlsa": ["3 1 1"],
                "records": [good.record, GOOD_SPF, '_spf TXT "v=spf1 ip4:44.128.254.0/24 ip6:2d00:5ea1:fe::/48 ~all"'],
            },
            {
                "name": "own-bad", "sts": {"mode": "enforce", "mx": ["mx9.own-bad.test"]}, "mx": ["mx1", "mx2"],
                "tlsrpt": "v=TLSRPTv1; rua=gopher:\x1b]0;owned\x07", "records": ['@ TXT "v=spf1 ip4:192.0.2.1 -all"'],
            },
            {"name": "own-bare.insecure"},
            {"name": "own-lame", "sts": {"mode": "enforce", "defect": "404"}, "bogus": ["@ MX"]},
            {"name": "own-null", "mx": ["."]},
        )  # fmt: skip
        super().__init__(lab, directory, dkim={**good.setting(), "also": [bad.setting()]})


@pytest.fixture(scope="module")
def owner(lab, tmp_path_factory):
    one = Owner(lab, tmp_path_factory.mktemp("own"))
    yield one.start()
    one.kill()


def check(owner, domain: str, *more: str) -> tuple[int, dict[str, dict]]:
    """Exit code, and the records by what they are (the last of each)."""
    done = owner.command("--json", "dns", "check", domain, *more)
    answer = json.loads(done.stdout)
    (one,) = answer["domains"]
    assert one["domain"] == domain and one["exit_code"] == answer["exit_code"] == done.returncode
    return done.returncode, {record["what"]: record for record in one["records"]}


def states(records: dict) -> dict[str, str]:
    return {what: record["state"] for what, record in records.items()}


def test_a_domain_in_order_has_nothing_to_do(owner):
    code, records = check(owner, "own-good.test")
    assert code == 0 and set(states(records).values()) == {"ok"}, records
    assert set(records) == {"MX hosts", "MTA-STS record", "MTA-STS policy", "TLS-RPT record", "DKIM key", "SPF record", "TLSA records", "Signed zone"}


def test_what_is_wrong_is_named_with_what_to_publish(owner):
    code, records = check(owner, "own-bad.test")
    assert code == 1
    policy = records["MTA-STS policy"]
    assert policy["state"] == "differs" and "mx1.own-bad.test, mx2.own-bad.test" in policy["why"]
    assert "mx: mx2.own-bad.test" in policy["publish"] and "mode: enforce" in policy["publish"]
    assert records["DKIM key"]["state"] == "absent"
    assert re.fullmatch(r"rsa\w+\._domainkey\.own-bad\.test\. IN TXT \"v=DKIM1; k=rsa; p=\S+\" \"\S+\"", records["DKIM key"]["publish"][0])
    spf = records["SPF record"]
    assert spf["state"] == "differs" and all(address in spf["why"] for address in LEAVES_FROM)
    assert all(address in spf["publish"][0] for address in LEAVES_FROM)
    assert records["TLSA records"]["state"] == "absent" and records["TLSA records"]["optional"]


def test_hostile_records_are_shown_escaped(owner):
    _, records = check(owner, "own-bad.test")
    assert records["TLS-RPT record"]["state"] == "differs" and "\\x1b" in records["TLS-RPT record"]["found"][0]
    for command in ("check", "show"):
        shown = owner.command("dns", command, "own-bad.test").stdout
        assert "\x1b" not in shown and "\x07" not in shown and "own-bad.test" in shown


def test_published_as_shown_it_is_in_order(owner, lab):
    """What `show` prints, put into the zone, is what `check` accepts."""
    shown = owner.command("dns", "show", "own-bad.test")
    assert shown.returncode == 0
    lines = [line for line in shown.stdout.splitlines() if " IN " in line and not line.startswith(";")]
    served = [line.lstrip("; ") for line in shown.stdout.splitlines() if re.match(r";   (version|mode|mx|max_age): ", line)]
    texts = [line.replace(" IN ", " ", 1) for line in lines if " IN TXT " in line and not line.startswith("_")]
    (id_,) = (re.search(r"id=(\w+)", line)[1] for line in lines if line.startswith("_mta-sts."))
    (tlsrpt,) = (re.search(r'"(.*)"', line)[1] for line in lines if line.startswith("_smtp._tls."))
    lab.change("own-bad", sts={"mode": "enforce", "id": id_, "body": "\r\n".join(served) + "\r\n"}, tlsrpt=tlsrpt, records=texts)
    assert wait_for(lambda: check(owner, "own-bad.test")[0] == 0, 20, 0.5)  # the relay keeps answers for seconds
    code, records = check(owner, "own-bad.test")
    assert code == 0, [record for record in records.values() if record["state"] != "ok"]


def test_absent_and_not_to_be_asked_are_two_things(owner):
    code, records = check(owner, "own-bare.insecure.test")
    assert code == 1
    assert {what: state for what, state in states(records).items() if state != "ok"} == {
        "MTA-STS record": "absent", "MTA-STS policy": "absent", "TLS-RPT record": "absent", "DKIM key": "absent",
        "SPF record": "absent", "TLSA records": "absent", "Signed zone": "absent",
    }  # fmt: skip
    assert records["Signed zone"]["optional"] and records["DKIM key"]["optional"] and not records["SPF record"]["optional"]
    _, records = check(owner, "own-lame.test")
    assert records["MX hosts"]["state"] == records["Signed zone"]["state"] == "could not be asked"
    assert records["MTA-STS policy"]["state"] == "absent" and records["MTA-STS policy"]["publish"] == []
    _, records = check(owner, "any.lame.test")
    assert {state for what, state in states(records).items() if what not in ("DKIM key", "MTA-STS policy")} == {"could not be asked"}


def test_a_domain_without_mail_publishes_nothing_for_it(owner):
    _, records = check(owner, "own-null.test")
    assert set(records) == {"MX hosts", "DKIM key", "SPF record", "Signed zone"} and records["MX hosts"]["state"] == "ok"


def test_mail_that_leaves_from_elsewhere(owner):
    assert check(owner, "own-good.test", "--address", "44.128.254.99")[1]["SPF record"]["state"] == "ok"
    assert check(owner, "own-good.test", "--address", "192.0.2.77")[1]["SPF record"]["state"] == "differs"
    wrong = owner.command("dns", "check", "own-good.test", "--address", "home.test")
    assert wrong.returncode == 65 and "is no IP address" in wrong.stderr


def test_without_a_name_all_own_domains_and_a_wrong_name_is_an_error(owner):
    answer = json.loads(owner.command("--json", "dns", "check").stdout)
    assert [one["domain"] for one in answer["domains"]] == ["own-good.test", "own-bad.test", "home.test"]
    wrong = owner.command("dns", "check", "not a domain")
    assert wrong.returncode == 65 and "is no domain" in wrong.stderr

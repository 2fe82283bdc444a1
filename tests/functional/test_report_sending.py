# SPDX-License-Identifier: Apache-2.0
"""Where reports do not go, or not yet: each row of bad input has its outcome and a line in `report why`. And no report
ever makes another."""

import gzip

import pytest
import reportcheck
from collector import ENDLESS, Collector
from dkimkeys import make_key, publish
from lab.world import wait_for
from relay import merged, to_toml
from reporter import Reporter, environment_ready

pytestmark = pytest.mark.skipif(bool(environment_ready()), reason=environment_ready())

HOSTS = "rpt-hosts.test"
ADDRESS, EXPIRED, INSIDE = "44.128.0.94", "44.128.0.95", "10.99.0.94"
RECORDS = [
    f"a {ADDRESS}", f"b {ADDRESS}", f"c {ADDRESS}", f"d {ADDRESS}", f"deep.er {ADDRESS}", f"expired {EXPIRED}",
    f"inside {INSIDE}", "refused 44.128.0.250",
]  # fmt: skip


def rua(*uris: str) -> dict:
    return {"tlsrpt": "v=TLSRPTv1; rua=" + ",".join(uris)}


# What is published (None: nothing), the state of the row, words of its result.
ROWS = {
    "absent": ({}, "none", "no TLS-RPT record is published"),
    "no-rua": ({"tlsrpt": "v=TLSRPTv1; ruf=mailto:a@b.test"}, "none", "not valid: no rua"),
    "syntax": ({"tlsrpt": "v=TLSRPTv1; rua"}, "none", "'rua' is not name=value"),
    "two": (
        {"records": ['_smtp._tls TXT "v=TLSRPTv1; rua=mailto:a@b.test"', '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:c@b.test"']},
        "none", "2 TLS-RPT records where exactly one may be",
    ),
    "scheme": (rua("ftp://reports.test/"), "none", "scheme 'ftp' is not known"),
    "port": (rua(f"https://a.{HOSTS}:8443/"), "none", "only port 443"),
    "lookup": ({**rua("mailto:a@b.test"), "bogus": ["_smtp._tls TXT"]}, "waiting", "the _smtp._tls lookup failed"),
    "private": (rua(f"https://inside.{HOSTS}/"), "waiting", "private or reserved"),
    "nowhere": (rua(f"https://nowhere.{HOSTS}/"), "waiting", "has no address"),
    "refused": (rua(f"https://refused.{HOSTS}/"), "waiting", "onnect"),
    "404": (rua(f"https://a.{HOSTS}/404"), "waiting", "HTTP status 404"),
    "503": (rua(f"https://b.{HOSTS}/503"), "waiting", "HTTP status 503"),
    "302": (rua(f"https://c.{HOSTS}/302"), "waiting", "HTTP status 302"),
    "endless": (rua(f"https://d.{HOSTS}/endless"), "sent", "accepted"),
    "expired": (rua(f"https://expired.{HOSTS}/"), "waiting", "certificate has expired"),
    "name": (rua(f"https://deep.er.{HOSTS}/"), "waiting", "certificate"),
    "unsigned": (rua("mailto:r@rpt-unsigned-sink.test"), "waiting", "no [dkim] key is configured"),
}  # fmt: skip


@pytest.fixture(scope="module")
def keyless(lab, tmp_path_factory):
    """A relay without a DKIM key, a day of sessions behind it, and all its reports tried once."""
    hosts = [f"{name} 5 A {address}" for name, address in (line.split() for line in RECORDS)]
    lab.change_all(
        {"name": "rpt-hosts", "records": hosts}, {"name": "rpt-unsigned-sink"},
        *({"name": f"rpt-row-{row}", "peer": "script", **world} for row, (world, _, _) in ROWS.items()),
    )  # fmt: skip
    relay = Reporter(lab, tmp_path_factory.mktemp("keyless"), keys=False)
    relay.start()
    with (
        Collector(lab, f"wild.{HOSTS}", HOSTS, certificate="wildcard", address=ADDRESS) as collector,
        Collector(lab, f"expired.{HOSTS}", HOSTS, certificate="expired", address=EXPIRED) as expired,
        Collector(lab, f"inside.{HOSTS}", HOSTS, address=INSIDE) as inside,
    ):
        collector.paths = {"/404": 404, "/503": 503, "/302": 302, "/endless": ENDLESS}
        for row in ROWS:
            relay.deliver(f"rpt-row-{row}.test")
        for row in ROWS:
            relay.wait_counted(f"rpt-row-{row}.test", 0, 1)
        relay.set_clock(1, 60)
        relay.send_reports(0)
        yield relay, collector, [*expired.requests, *inside.requests]
    relay.kill()


@pytest.mark.parametrize("row", ROWS)
def test_RPT09_each_row_ends_as_it_must_and_why_says_so(keyless, row):
    _, state, words = ROWS[row]
    relay = keyless[0]
    rows = relay.why(f"rpt-row-{row}.test")
    assert [r["state"] for r in rows] == [state], rows
    assert words in rows[0]["result"]
    shown = relay.command("report", "why", f"rpt-row-{row}.test").stdout
    assert words.split()[0] in shown  # people see it too


def test_RPT09_nothing_reaches_whom_it_must_not(keyless):
    """No redirect followed, nothing sent before the certificate is verified, nothing to a private address (T-20)."""
    _, collector, others = keyless
    assert sorted(r.path for r in collector.requests) == ["/302", "/404", "/503", "/endless"]
    assert not others


def test_RPT09_a_report_that_was_taken_is_not_sent_again_whatever_follows_its_status(keyless):
    relay, collector, _ = keyless
    relay.send_reports(0, "--domain", "rpt-row-endless.test")
    assert [r.path for r in collector.requests].count("/endless") == 1


def test_R20_a_report_by_mail_waits_for_its_key(lab, keyless):
    """Nothing unsigned left; with a key it goes, and as that key is not published, `report why` has a warning."""
    relay, _, _ = keyless
    assert not lab.mail_of("rpt-unsigned-sink.test")
    key = make_key(relay.directory, "home.test", "ed25519")
    relay.config.write_text(to_toml(merged(relay.settings, {"dkim": key.setting()})))
    relay.reload()
    assert wait_for(lambda: relay.events("dkim_key_problem"), 15, 0.1)
    relay.set_clock(1, 3600)
    relay.send_reports(0, "--domain", "rpt-row-unsigned.test")
    row = relay.why("rpt-row-unsigned.test")[0]
    assert row["state"] == "sent" and f"{key.selector}._domainkey.home.test: no key record is published" in row["result"]
    assert wait_for(lambda: lab.mail_of("rpt-unsigned-sink.test"), 20)
    assert b"DKIM-Signature: " in lab.mail_of("rpt-unsigned-sink.test")[0].octets
    publish(lab, "home", key.record)


def test_T44_thirty_days_one_mail_one_report(lab, tmp_path):
    """T-44: two domains that want their reports at each other. One mail, then 30 days of sending what there is."""
    lab.change_all({"name": "rpt-ping", **rua("mailto:r@rpt-pong.test")}, {"name": "rpt-pong", **rua("mailto:r@rpt-ping.test")})
    relay = Reporter(lab, tmp_path / "relay")
    relay.start()
    try:
        relay.deliver("rpt-ping.test")
        relay.wait_counted("rpt-ping.test", 0, 1)
        sent = {}
        for day in range(30):
            relay.set_clock(day + 1, 3600)
            sent |= {f"{day} {row}": state for row, state in relay.send_reports(day).items()}
            if day < 3:
                assert wait_for(lambda: not relay.queue(), 20, 0.05), relay.queue()
        assert list(sent) == ["0 rpt-ping.test mailto:r@rpt-pong.test"]
        assert len(lab.mail_of("rpt-pong.test")) == 1 and len(lab.mail_of("rpt-ping.test")) == 1
        part = list(lab.mail_of("rpt-pong.test")[0].message.iter_parts())[1]
        assert reportcheck.check(gzip.decompress(part.get_payload(decode=True)))["policies"]
    finally:
        relay.kill()

# SPDX-License-Identifier: Apache-2.0
"""TLS-RPT from the counted session to the report in somebody's hands (RFC 8460), with other people's software:
Postfix takes the mails, python3-dkim verifies them, the lab's DNS names the targets. libfaketime moves the day."""

import base64
import gzip
import re
import sqlite3

import pytest
import reportcheck
from collector import Collector
from dkimkeys import as_sent, lookup
from lab.world import wait_for
from reporter import Reporter, environment_ready

dkim = pytest.importorskip("dkim", reason="python3-dkim is not installed")
pytestmark = pytest.mark.skipif(bool(environment_ready()), reason=environment_ready())

SUBMITTER = "home.test"
EXPIRED_SINK = {"name": "rpt-expired", "certificate": "expired", "sts": {"mode": "enforce"}, "tlsa": ["2 1 1"]}
CLEAR_SINK = {"name": "rpt-clear", "starttls": False, "sts": {"mode": "enforce"}}
DOMAINS = [
    EXPIRED_SINK,
    CLEAR_SINK,
    {"name": "rpt-mail", "tlsrpt": "v=TLSRPTv1; rua=mailto:reports@rpt-expired.test,mailto:reports@rpt-clear.test"},
    {
        "name": "rpt-failing", "starttls": False,
        "tlsrpt": "v=TLSRPTv1;rua=https://collector.rpt-https.test/v1?from=us",
    },
    {"name": "rpt-https", "records": ["collector 5 A 44.128.0.90", "inside 5 A 10.99.0.90"]},
    {"name": "rpt-dane", "tlsa": ["3 1 1"], "tlsrpt": "v=TLSRPTv1; rua=https://collector.rpt-https.test/dane"},
    {"name": "rpt-private", "tlsrpt": "v=TLSRPTv1; rua=https://inside.rpt-https.test/"},
    {"name": "rpt-invalid", "tlsrpt": "v=TLSRPTv1; ruf=mailto:a@b.test"},
    {"name": "rpt-silent"},
]  # fmt: skip


@pytest.fixture(scope="module")
def reporter(lab, tmp_path_factory):
    lab.change_all(*DOMAINS)
    relay = Reporter(lab, tmp_path_factory.mktemp("reports"))
    relay.start()
    yield relay
    relay.kill()


@pytest.fixture(scope="module")
def collector(lab, reporter):
    with Collector(lab, "collector.rpt-https.test", "rpt-https.test") as one:
        yield one


@pytest.fixture(scope="module")
def sent(lab, reporter, collector):
    """A day of sessions; then it is the next day, and the reports of the first are sent."""
    domains = ["rpt-mail", "rpt-dane", "rpt-failing", "rpt-private", "rpt-invalid", "rpt-silent"]
    for name in domains:
        reporter.deliver(f"{name}.test")
        reporter.wait_counted(f"{name}.test", 0, 1)
    early = reporter.command("report", "send", "--day", reporter.clock.day(0))
    reporter.set_clock(1, 60)
    rows = reporter.send_reports(0, "--domain", "rpt-dane.test")
    collector.statuses = [500]
    rows |= reporter.send_reports(0)
    wait_for(lambda: lab.mail_of("rpt-expired.test") and lab.mail_of("rpt-clear.test"), 30)
    return early, rows


def part(mail, number: int):
    parts = list(mail.message.iter_parts())
    assert len(parts) == 2  # no third part (RFC 8460 §5.3)
    return parts[number]


def test_RPT03_nothing_is_sent_for_a_day_that_is_not_over(sent):
    early, _ = sent
    assert early.returncode != 0
    assert "before that day has ended" in early.stderr


@pytest.mark.parametrize("sink", ["rpt-expired", "rpt-clear"])
def test_RPT07_RPT08_the_mail_arrives_once_whatever_the_policy_of_its_receiver(lab, sent, sink):
    mails = lab.mail_of(f"{sink}.test")
    assert len(mails) == 1
    assert mails[0].encrypted == (sink == "rpt-expired")
    assert mails[0].recipient == f"reports@{sink}.test"
    assert mails[0].sender == "tls-reports@home.test"  # R22: not the null reverse-path


def test_RPT07_header_and_parts(lab, sent, reporter):
    mail = lab.mail_of("rpt-expired.test")[0]
    message = mail.message
    report = reportcheck.check(gzip.decompress(part(mail, 1).get_payload(decode=True)))
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Report-Domain"] == "rpt-mail.test"
    assert message["TLS-Report-Submitter"] == SUBMITTER
    subject = re.fullmatch(r"Report Domain:\s+(\S+)\s+Submitter:\s+(\S+)\s+Report-ID:\s+<(\S+@\S+)>", message["Subject"])
    assert subject and subject.groups() == ("rpt-mail.test", SUBMITTER, report["report-id"])
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["TLS-Required"] == "No"
    assert message["MIME-Version"] == "1.0"
    assert message["Message-ID"]
    assert part(mail, 0).get_content_type() == "text/plain"
    attachment = part(mail, 1)
    assert attachment.get_content_type() == "application/tlsrpt+gzip"
    assert attachment["Content-Transfer-Encoding"] == "base64"
    assert attachment.get_content_disposition() == "attachment"
    begin = reporter.clock.base
    name = rf"{SUBMITTER}!rpt-mail\.test!{begin}!{begin + 86399}(![A-Za-z0-9]+)?\.json\.gz"
    assert re.fullmatch(name, attachment.get_filename())
    assert all(len(line) <= 76 for line in attachment.get_payload().split())
    base64.b64decode("".join(attachment.get_payload().split()), validate=True)


def test_RPT07_what_the_report_says(lab, sent, reporter):
    report = reportcheck.check(gzip.decompress(part(lab.mail_of("rpt-expired.test")[0], 1).get_payload(decode=True)))
    assert report["organization-name"] == "Home"
    assert report["contact-info"] == "tls-reports@home.test"
    assert report["date-range"]["start-datetime"] == f"{reporter.clock.day(0)}T00:00:00Z"
    assert len(report["policies"]) == 1
    entry = report["policies"][0]
    assert entry["policy"]["policy-type"] == "no-policy-found"
    assert entry["policy"]["policy-domain"] == "rpt-mail.test"
    assert entry["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}  # R14
    assert entry["failure-details"] == []


def test_T47_nothing_private_is_in_the_report(lab, sent, collector):
    bodies = [gzip.decompress(r.body) for r in collector.requests]
    bodies += [part(m, 1).get_payload(decode=True) for m in lab.mail_of("rpt-clear.test")]
    bodies[len(collector.requests) :] = [gzip.decompress(b) for b in bodies[len(collector.requests) :]]
    assert bodies
    for body in bodies:
        for canary in (b"anna", b"bob@", b"127.0.0.1", b"Hello", b"queued as"):
            assert canary not in body


def test_RPT07_dkim_verifies_elsewhere(lab, sent, reporter):
    ask = lookup(lab)
    for sink in ("rpt-expired", "rpt-clear"):
        octets = as_sent(lab.mail_of(f"{sink}.test")[0].octets)
        verifier = dkim.DKIM(octets)
        signatures = [v for k, v in verifier.headers if k.lower() == b"dkim-signature"]
        assert len(signatures) == 2
        seen = set()
        for index, value in enumerate(signatures):
            assert dkim.DKIM(octets).verify(idx=index, dnsfunc=ask), value
            tags = dkim.util.parse_tag_value(value)
            assert b"l" not in tags
            signed = {h.strip().lower() for h in tags[b"h"].split(b":")}
            assert {b"from", b"subject", b"date", b"tls-report-domain", b"tls-report-submitter"} <= signed
            assert tags[b"d"] == SUBMITTER.encode()
            seen.add(tags[b"a"])
        assert seen == {b"rsa-sha256", b"ed25519-sha256"}
        forged = octets.replace(b"TLS-Report-Domain: rpt-mail.test", b"TLS-Report-Domain: rpt-evil.test")
        assert forged != octets and not dkim.DKIM(forged).verify(dnsfunc=ask)


def test_T44_sessions_that_carry_reports_are_not_counted(sent, reporter):
    """T-44: a report never makes another."""
    for sink in ("rpt-expired", "rpt-clear"):
        assert reporter.report(f"{sink}.test", reporter.clock.day(1)) is None
        assert reporter.report(f"{sink}.test", reporter.clock.day(0)) is None


def test_RPT08_other_mail_to_the_same_host_is_held_back(lab, sent, reporter):
    """So that the test above shows something: the policy that reports ignore does bind ordinary mail."""
    id = reporter.submit("anna@home.test", "bob@rpt-expired.test", "Subject: ordinary\r\n\r\nHello.\r\n")
    reporter.wait_deferred(id)
    assert [m.message["Subject"] for m in lab.mail_of("rpt-expired.test")].count("ordinary") == 0
    reporter.command("queue", "remove", id)


def test_RPT09_https(sent, reporter, collector):
    """The first answer was 500: it waits, and the next try is 15 minutes off."""
    _, rows = sent
    row = rows["rpt-failing.test https://collector.rpt-https.test/v1?from=us"]
    assert row["state"] == "waiting" and "500" in row["result"] and row["attempts"] == 1
    reporter.send_reports(0, "--domain", "rpt-failing.test")
    mine = [r for r in collector.requests if r.path == "/v1?from=us"]
    assert [r.answered for r in mine] == [500, 201]
    assert reporter.why("rpt-failing.test")[0]["state"] == "sent"
    first, second = mine
    assert first.body == second.body  # the same report, the same id
    for request in collector.requests:
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/tlsrpt+gzip"
        assert "content-encoding" not in request.headers
        assert request.headers["host"] == "collector.rpt-https.test"
    report = reportcheck.check(gzip.decompress(second.body))
    entry = report["policies"][0]
    assert entry["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
    detail = entry["failure-details"][0]
    assert detail["result-type"] == "starttls-not-supported"
    assert detail["receiving-mx-hostname"] == "mx1.rpt-failing.test"
    assert detail["sending-mta-ip"] in ("44.128.254.2", "2d00:5ea1:fe::2")


def test_a_dane_policy_is_reported_record_by_record(lab, sent, reporter, collector):
    request = next(r for r in collector.requests if r.path == "/dane")
    entry = reportcheck.check(gzip.decompress(request.body))["policies"][0]
    published = lab.resolve("_25._tcp.mx1.rpt-dane.test", "TLSA").answer[0][0]
    wanted = f"{published.usage} {published.selector} {published.mtype} {published.cert.hex().upper()}"
    assert entry["policy"]["policy-type"] == "tlsa"
    assert entry["policy"]["policy-domain"] == "mx1.rpt-dane.test"
    assert entry["policy"]["policy-string"] == [wanted]
    assert entry["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}


def test_RPT09_a_target_at_a_private_address_is_refused(lab, sent, reporter):
    _, rows = sent
    row = rows["rpt-private.test https://inside.rpt-https.test/"]
    assert row["state"] == "waiting" and "private" in row["result"]
    with Collector(lab, "inside.rpt-https.test", "rpt-https.test", address="10.99.0.90") as inside:
        reporter.send_reports(0, "--domain", "rpt-private.test")
        assert not inside.requests


def test_a_record_that_is_not_valid_and_one_that_is_not_there_are_explained(sent, reporter):
    invalid, silent = reporter.why("rpt-invalid.test")[0], reporter.why("rpt-silent.test")[0]
    assert invalid["state"] == "none" and "no rua" in invalid["result"]
    assert silent["state"] == "none" and "no TLS-RPT record" in silent["result"]


def test_report_send_again_sends_nothing_again(lab, sent, reporter, collector):
    before = len(collector.requests)
    reporter.send_reports(0)
    assert len(lab.mail_of("rpt-expired.test")) == 1 and len(lab.mail_of("rpt-clear.test")) == 1
    assert len(collector.requests) <= before + 1  # what waited may be tried; what was sent is not


def test_reading_the_database_while_the_relay_writes(sent, reporter):
    """docs/tlsrpt-database.md is a contract."""
    with sqlite3.connect(f"file:{reporter.data}/tlsrpt.db?mode=ro", uri=True) as db:
        failing = db.execute(
            "SELECT result_type, mx_host, sessions FROM failures WHERE domain = 'rpt-failing.test'"
        ).fetchall()
    assert failing == [("starttls-not-supported", "mx1.rpt-failing.test", 1)]


def test_RPT10_marked_before_it_leaves_and_waiting_rows_survive(lab, tmp_path):
    """kill -9 between mark and answer: no second copy. What waited for another try is still tried."""
    lab.change_all(
        {"name": "rpt-crash", "tlsrpt": "v=TLSRPTv1; rua=https://slow.rpt-crash.test/", "records": ["slow 5 A 44.128.0.91"]},
        {"name": "rpt-waits", "tlsrpt": "v=TLSRPTv1; rua=https://slow.rpt-crash.test/waits"},
    )
    relay = Reporter(lab, tmp_path / "relay")
    relay.start()
    with Collector(lab, "slow.rpt-crash.test", "rpt-crash.test", address="44.128.0.91") as collector:
        try:
            for name in ("rpt-crash.test", "rpt-waits.test"):
                relay.deliver(name)
                relay.wait_counted(name, 0, 1)
            relay.set_clock(1, 60)
            collector.status = 503
            relay.send_reports(0, "--domain", "rpt-waits.test")
            assert relay.why("rpt-waits.test")[0]["state"] == "waiting"
            collector.status = 201
            collector.hold.clear()
            asking = relay.command_started("report", "send", "--day", relay.clock.day(0), "--domain", "rpt-crash.test")
            assert wait_for(lambda: any(r.path == "/" for r in collector.requests), 15)
            relay.kill()
            asking.wait(10)
            collector.hold.set()
            relay.start()
            assert wait_for(lambda: relay.why("rpt-crash.test")[0]["state"] == "sent", 10)
            assert "when the relay stopped" in relay.why("rpt-crash.test")[0]["result"]
            relay.send_reports(0)
            assert [r.path for r in collector.requests].count("/") == 1
            assert [(r.path, r.answered) for r in collector.requests if r.path == "/waits"] == [
                ("/waits", 503),
                ("/waits", 201),
            ]
        finally:
            collector.hold.set()
            relay.kill()

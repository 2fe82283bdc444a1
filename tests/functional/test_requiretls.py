# SPDX-License-Identifier: Apache-2.0
"""RFC 8689: mail that says REQUIRETLS goes to nobody who cannot keep the promise, and TLS-Required: No lowers only
what others publish."""

import re
import ssl

import pytest
from lab.world import wait_for
from relay import expect

OFFERS = ["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "REQUIRETLS"]
PLAIN = OFFERS[:-1]
TEXT = "From: <{0}>\r\nTo: <b@x>\r\nSubject: {1}\r\n{2}\r\nsecret-{1}\r\n"


@pytest.fixture(scope="module")
def identity(lab, tmp_path_factory):
    """Key and certificate of the relay as a server."""
    pem = tmp_path_factory.mktemp("identity") / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    return {"certificate": pem, "key": pem}


def submit(one, sender: str, domain: str, word: str, header: str = "", options=("REQUIRETLS",), recipients=()) -> str:
    """One message inside TLS; its queue id."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with one.client() as connection:
        connection.ehlo()
        assert not connection.has_extn("requiretls")  # T1: inside TLS only
        connection.starttls(context=context)
        connection.ehlo()
        assert connection.has_extn("requiretls")
        expect(250, connection.mail(sender, options))
        for recipient in recipients or [f"b@{domain}"]:
            expect(250, connection.rcpt(recipient))
        reply = expect(250, connection.data(TEXT.format(sender, word, header)))
        connection.quit()
    return re.search(rb"\bqueued as (\w+)", reply)[1].decode()


def mail_commands(lab, host: str) -> list[str]:
    return [c for s in lab.sessions(host) for c in s.commands if c.startswith("MAIL FROM")]


def bounce_to(lab, sender: str):
    found = []

    def look():
        found[:] = [m for m in lab.mail_of("home.test") if m.recipient == sender]
        return bool(found)

    assert wait_for(look, 20, 0.1), f"no notification for {sender}"
    assert len(found) == 1
    return found[0]


def test_T1_in_clear_it_is_neither_offered_nor_taken(relay, identity):
    one = relay(tls=identity)
    with one.client() as connection:
        connection.ehlo()
        code, text = connection.mail("a@home.test", ("REQUIRETLS",))
        assert (code, text[:6]) == (530, b"5.7.10")
    without = relay()
    with without.client() as connection:
        connection.ehlo()
        assert not connection.has_extn("starttls") and connection.mail("a@home.test", ("REQUIRETLS",))[0] == 530


def test_TLS05_it_is_kept_forced_and_passed_on(lab, relay, identity):
    """MX 10 is good but does not offer it, MX 20 does: the second one it is, with the parameter, after a restart too."""
    lab.change("rtls", peer="script", mx=[
        {"host": "mx1", "preference": 10, "ehlo_tls": PLAIN},
        {"host": "mx2", "preference": 20, "ehlo_tls": OFFERS},
    ])  # fmt: skip
    one = relay(tls=identity)
    one.wait_gone(submit(one, "a@home.test", "rtls.test", "first"))
    assert len(lab.mail_of("rtls.test")) == 1, one.events()
    assert mail_commands(lab, "mx1.rtls.test") == []
    assert [" REQUIRETLS" in c for c in mail_commands(lab, "mx2.rtls.test")] == [True]

    lab.change("rtls-later", peer="script", ehlo_tls=OFFERS, script=[{"at": "greeting", "reply": "421 4.3.2 later"}])
    id = submit(one, "a@home.test", "rtls-later.test", "second")
    one.wait_deferred(id)
    one.restart()  # what the envelope says is in the spool
    lab.change("rtls-later", script=[])
    one.wait_gone(id)
    assert [" REQUIRETLS" in c for c in mail_commands(lab, "mx1.rtls-later.test")] == [True]
    one.wait_gone(one.submit("a@home.test", "b@rtls-later.test", "Subject: x\r\n\r\nno such wish\r\n"))
    assert [" REQUIRETLS" in c for c in mail_commands(lab, "mx1.rtls-later.test")] == [True, False]


REFUSED = {
    "rtls-unoffered": ({"ehlo_tls": PLAIN}, "5.7.30"),
    "rtls-untrusted": ({"ehlo_tls": OFFERS, "certificate": "self-signed"}, "5.7.10"),
    "rtls-other-name": ({"ehlo_tls": OFFERS, "certificate": "other-name"}, "5.7.10"),
    "rtls-clear": ({"starttls": False, "ehlo": OFFERS}, "5.7.10"),
    "rtls-unsigned.insecure": ({"ehlo_tls": OFFERS}, "5.7.10"),
    "rtls-testing.insecure": ({"ehlo_tls": OFFERS, "sts": {"mode": "testing"}}, "5.7.10"),
}  # fmt: skip


def test_TLS05_DSN05_what_cannot_keep_it_comes_back_at_once(lab, relay, identity):
    lab.change_all(*[{"name": n, "peer": "script", **settings} for n, (settings, _) in REFUSED.items()])
    one = relay(tls=identity)
    for name in REFUSED:
        submit(one, f"{name}@home.test", f"{name}.test", name, options=("REQUIRETLS",))
    for name, (_, status) in REFUSED.items():
        bounce = bounce_to(lab, f"{name}@home.test")
        text = bounce.octets.decode()
        assert f"Status: {status}" in text, (name, text)
        assert "REQUIRETLS" in text and f"secret-{name}" not in text and "text/rfc822-headers" in text
        assert bounce.sender == "" and bounce.encrypted
        assert mail_commands(lab, f"mx1.{name}.test") == [], name
    assert lab.sessions("mx1.rtls-unsigned.insecure.test") == []  # nobody vouches for its name: not even contacted


def test_T3_an_enforced_policy_or_DANE_vouches(lab, relay, identity):
    lab.change_all(
        {"name": "rtls-sts.insecure", "peer": "script", "ehlo_tls": OFFERS, "sts": {"mode": "enforce"}},
        {"name": "rtls-dane", "peer": "script", "ehlo_tls": OFFERS, "certificate": "self-signed", "tlsa": ["3 1 1"]},
    )
    one = relay(tls=identity)
    for domain in ("rtls-sts.insecure.test", "rtls-dane.test"):
        one.wait_gone(submit(one, "a@home.test", domain, "vouched"))
        assert [m.encrypted for m in lab.mail_of(domain)] == [True]
        assert all(" REQUIRETLS" in c for c in mail_commands(lab, f"mx1.{domain}"))


def test_T4_network_trouble_stays_transient(lab, relay, identity):
    lab.change("rtls-half", peer="script", mx=[{"host": "mx1", "ehlo_tls": PLAIN}, {"host": "mx2", "address": "refused"}])
    one = relay(tls=identity)
    entry = one.wait_deferred(submit(one, "a@home.test", "rtls-half.test", "half"), attempts=2)
    assert "REQUIRETLS" in entry["reason"]


def test_T5_a_notification_needs_TLS_but_no_offer(lab, relay, identity):
    lab.change_all(
        {"name": "rtls-bounce", "peer": "script", "ehlo_tls": PLAIN},
        {"name": "rtls-bounce-bad", "peer": "script", "ehlo_tls": PLAIN, "certificate": "self-signed"},
    )
    one = relay(tls=identity)
    one.wait_gone(submit(one, "", "rtls-bounce.test", "null-sender"))
    assert len(lab.mail_of("rtls-bounce.test")) == 1
    assert [" REQUIRETLS" in c for c in mail_commands(lab, "mx1.rtls-bounce.test")] == [False]
    id = submit(one, "", "rtls-bounce-bad.test", "null-sender")
    assert wait_for(lambda: [e["state"] for e in one.queue(id)] in ([], ["held"]), 15, 0.1)
    assert lab.mail_of("rtls-bounce-bad.test") == []


NO = "TLS-Required: No\r\n"


def test_T61_TLS06_the_header_lowers_what_is_published_where_the_operator_says_so(lab, relay, identity):
    broken = {"peer": "script", "certificate": "self-signed", "ehlo_tls": OFFERS}
    lab.change_all(
        {"name": "trn-sts", **broken, "sts": {"mode": "enforce"}},
        {"name": "trn-dane", **broken, "tlsa": ["3 1 1 wrong"]},
        {"name": "trn-partner", "peer": "script", "starttls": False},
        {"name": "trn-both", **broken, "sts": {"mode": "enforce"}},
    )
    partner = {"name": "Floor", "domains": ["trn-partner.test"], "tls": "encrypt", "on_failure": "defer"}
    one = relay(tls=identity, partners=[partner])
    ids = {d: submit(one, "a@home.test", f"{d}.test", "ignored", NO, options=()) for d in ("trn-sts", "trn-dane", "trn-partner")}
    for domain, id in ids.items():
        one.wait_deferred(id)
        assert lab.mail_of(f"{domain}.test") == []
    one.kill()

    listener = {"address": "127.0.0.1:2599", "allow": ["127.0.0.0/8"], "honour_tls_required": True}
    two = relay(tls=identity, partners=[partner], listener=[listener])
    two.port = 2599
    for domain in ("trn-sts", "trn-dane"):
        two.wait_gone(submit(two, "a@home.test", f"{domain}.test", "honoured", NO, options=()))
        assert [m.encrypted for m in lab.mail_of(f"{domain}.test")] == [True]  # still tried
    two.wait_deferred(submit(two, "a@home.test", "trn-partner.test", "floor", NO, options=()))
    assert lab.mail_of("trn-partner.test") == []
    submit(two, "trn-both@home.test", "trn-both.test", "both", NO)  # REQUIRETLS wins: RFC 8689 §4.1
    assert "Status: 5.7.10" in bounce_to(lab, "trn-both@home.test").octets.decode()
    assert lab.mail_of("trn-both.test") == []


def test_T18_a_peer_that_stalls_in_the_handshake_gets_a_second_hello(lab, relay):
    """TLS-07: the same demand, a new connection, nothing in clear, and no failure counted."""
    lab.change("stalls-once", peer="script", sts={"mode": "enforce"}, script=[{"at": "handshake", "then": "stall", "times": 1}])
    one = relay(delivery={"timeouts": {"starttls": "2s"}})
    one.wait_gone(one.submit("a@home.test", "b@stalls-once.test", "Subject: x\r\n\r\nx\r\n"))
    sessions = lab.sessions("mx1.stalls-once.test")
    assert len(sessions) == 2 and not any(s.mail_in_clear for s in sessions)
    good, bad, _ = one.wait_counts("stalls-once.test", "sts", lambda g, b, f: g > 0)
    assert (good, bad) == (1, 0)


def test_M20_a_host_that_does_not_exist_is_final(lab, relay):
    lab.change("mx-gone", mx=["mx9.nowhere-at-all.test."])
    one = relay()
    one.submit("m20@home.test", "b@mx-gone.test", "Subject: x\r\n\r\nx\r\n")
    assert "Status: 5.4.4" in bounce_to(lab, "m20@home.test").octets.decode()

# SPDX-License-Identifier: Apache-2.0
"""Mail beyond ASCII (docs/smtputf8.md) through the relay to real servers: Postfix and Exim, which offer SMTPUTF8, and OpenSMTPD,
which does not."""

import re

import pytest
from lab.world import wait_for
from relay import Relay, expect

DOMAINS = {"postfix": "utf8-postfix", "exim": "utf8-exim", "opensmtpd": "utf8-opensmtpd"}
IDN = "bücher"  # as a domain: xn--bcher-kva.test, on a server without SMTPUTF8


def a_label(name: str) -> str:
    return name.encode("idna").decode()


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all(*[{"name": name, "peer": peer} for peer, name in DOMAINS.items()], {"name": a_label(IDN), "peer": "opensmtpd"})
    relay = Relay(lab, tmp_path_factory.mktemp("smtputf8"))
    yield relay.start()
    relay.kill()
    lab.remove(*DOMAINS.values(), a_label(IDN))


def send(one, sender: str, recipients: list[str], text: str, options=("SMTPUTF8", "BODY=8BITMIME")) -> str:
    with one.client() as client:
        client.ehlo()
        assert client.has_extn("smtputf8")
        client.command_encoding = "utf-8"
        expect(250, client.mail(sender, list(options)))
        for recipient in recipients:
            expect(250, client.rcpt(recipient))
        reply = expect(250, client.data(text.encode()))
        client.quit()
    return re.search(rb"\bqueued as (\w+)", reply)[1].decode()


def arrived(lab, domain: str, word: str):
    def found():
        return [m for m in lab.mail_of(domain) if word.encode() in m.octets]

    assert wait_for(lambda: bool(found()), 20, 0.1), word
    (mail,) = found()
    return mail


@pytest.mark.parametrize("peer", ["postfix", "exim"])
def test_X6_addresses_and_headers_in_UTF8_reach_a_server_that_takes_them(lab, one, peer):
    domain = f"{DOMAINS[peer]}.test"
    id = send(one, "änna@home.test", [f"jörg@{domain}"], f"From: Änna <änna@home.test>\r\nSubject: grüße-{peer}\r\n\r\nhällo\r\n")
    one.wait_gone(id)
    mail = arrived(lab, domain, f"grüße-{peer}")
    assert "hällo".encode() in mail.octets and "Änna".encode() in mail.octets
    ours = [line for line in mail.octets.decode().split("\r\n" if b"\r\n" in mail.octets else "\n") if "relay.home.test with" in line]
    assert ours and "with UTF8SMTP id" in ours[0]
    (event,) = one.events("delivered", id=id)
    assert event["rcpt"] == f"jörg@{domain}"


def test_X6_a_server_without_it_gets_those_who_do_not_need_it_and_the_others_come_back_567(lab, one):
    domain = f"{DOMAINS['opensmtpd']}.test"
    id = send(one, "mixed@home.test", [f"bob@{domain}", f"jörg@{domain}"], "From: <mixed@home.test>\r\nSubject: mixed-need\r\n\r\nx\r\n")
    one.wait_gone(id)
    assert arrived(lab, domain, "mixed-need").recipient.endswith(f"bob@{domain}")
    bounce = arrived(lab, "home.test", "5.6.7")
    assert bounce.recipient == "mixed@home.test"
    text = bounce.octets.decode()
    assert f"Final-Recipient: utf-8; j\\x{{F6}}rg@{domain}" in text and f"bob@{domain}" not in text
    assert f"<jörg@{domain}>" in text and "message/delivery-status" in text


def test_X6_a_header_beyond_ASCII_needs_it_for_everybody_and_its_notification_is_global(lab, one):
    domain = f"{DOMAINS['opensmtpd']}.test"
    id = send(one, "üwe@home.test", [f"bob@{domain}"], "From: Üwe <üwe@home.test>\r\nSubject: größe\r\n\r\nx\r\n")
    one.wait_gone(id)
    bounce = arrived(lab, "home.test", "global-delivery-status")
    text = bounce.octets.decode()
    assert "To: <üwe@home.test>" in text and "Status: 5.6.7" in text
    assert not [m for m in lab.mail_of(domain) if "größe".encode() in m.octets]


def test_X6_said_about_mail_that_does_not_need_it_it_holds_nothing_up(lab, one):
    domain = f"{DOMAINS['opensmtpd']}.test"
    id = send(one, "anna@home.test", [f"bob@{domain}"], "From: <anna@home.test>\r\nSubject: no-need\r\n\r\nhällo\r\n")
    one.wait_gone(id)
    assert arrived(lab, domain, "no-need")


def test_X6_a_domain_beyond_ASCII_needs_nothing(lab, one):
    domain = f"{a_label(IDN)}.test"
    id = send(one, f"anna@{IDN}.test", [f"bob@{IDN}.test"], "From: <anna@home.test>\r\nSubject: only-the-domain\r\n\r\nx\r\n")
    one.wait_gone(id)
    mail = arrived(lab, domain, "only-the-domain")
    assert mail.recipient.endswith(f"bob@{domain}") and mail.sender == f"anna@{domain}"


def test_X6_bad_input_is_refused_with_a_reason(one):
    with one.client() as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.docmd("MAIL FROM:<änna@home.test>")[0] == 501
        assert client.docmd("MAIL FROM:<anna@home.test> SMTPUTF8=1")[0] == 501
        expect(250, client.docmd("MAIL FROM:<anna@home.test>"))
        code, text = client.docmd("RCPT TO:<jörg@clear.test>")
        assert code == 501 and text.startswith(b"5.6.7")
        client.rset()
        client.command_encoding = "utf-8"
        expect(250, client.docmd("MAIL FROM:<anna@home.test> SMTPUTF8"))
        expect(250, client.docmd("RCPT TO:<jörg@clear.test>"))
        code, text = client.data("From: a\r\nSubject: grüße\r\n\r\nx\r\n".encode("latin-1"))
        assert code == 550 and text.startswith(b"5.6.0")


def test_X6_where_it_is_switched_off_it_is_neither_offered_nor_taken(lab, relay):
    without = relay(listener=[])
    settings = without.config.read_text().replace('mode = "relay"', 'mode = "relay"\nsmtputf8 = false')
    without.config.write_text(settings)
    without.restart()
    with without.client() as client:
        client.ehlo()
        assert not client.has_extn("smtputf8")
        assert client.docmd("MAIL FROM:<anna@home.test> SMTPUTF8")[0] == 555

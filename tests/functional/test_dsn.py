# SPDX-License-Identifier: Apache-2.0
"""RFC 3461: what a sender asks to be told is kept, passed on to hosts that understand it, and honoured where we are the
last who can tell."""

import re

import pytest
from lab.world import wait_for
from relay import expect
from stage import Bounce

BASE = ["PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES"]
TEXT = "From: <a@home.test>\r\nSubject: wishes\r\n\r\nsecret body\r\n"


@pytest.fixture(scope="module")
def world(lab):
    lab.change_all(
        {"name": "dsn-yes", "peer": "script", "ehlo_tls": [*BASE, "DSN"]},
        {"name": "dsn-no", "peer": "script", "ehlo_tls": BASE},
    )


@pytest.fixture(scope="module")
def one(lab, world, tmp_path_factory):
    from relay import Relay

    relay = Relay(lab, tmp_path_factory.mktemp("dsn"), delivery={"delay_notice": "1s"})
    yield relay.start()
    relay.kill()


def submit(one, sender: str, recipient: str, mail: tuple = (), rcpt: tuple = ()) -> str:
    with one.client() as connection:
        connection.ehlo()
        assert connection.has_extn("dsn")
        expect(250, connection.mail(sender, mail))
        expect(250, connection.rcpt(recipient, rcpt))
        reply = expect(250, connection.data(TEXT))
        connection.quit()
    return re.search(rb"\bqueued as (\w+)", reply)[1].decode()


def told(lab, sender: str) -> list[Bounce]:
    return [Bounce(m) for m in lab.mail_of("home.test") if m.recipient == sender]


def wait_told(lab, sender: str) -> Bounce:
    assert wait_for(lambda: bool(told(lab, sender)), 20, 0.1), sender
    assert len(told(lab, sender)) == 1
    return told(lab, sender)[0]


def test_DSN02_DSN03_a_host_with_DSN_gets_the_wishes_unchanged(lab, one):
    sender = "dsn-pass@home.test"
    orcpt = "ORCPT=rfc822;Some+2BOne@Else.test"
    one.wait_gone(submit(one, sender, "b@dsn-yes.test", ("RET=HDRS", "ENVID=QQ+2B314"), ("NOTIFY=SUCCESS,DELAY", orcpt)))
    commands = lab.sessions("mx1.dsn-yes.test")[-1].commands
    mail = next(c for c in commands if c.startswith("MAIL FROM"))
    rcpt = next(c for c in commands if c.startswith("RCPT TO"))
    assert " RET=HDRS" in mail and " ENVID=QQ+2B314" in mail
    assert " NOTIFY=SUCCESS,DELAY" in rcpt and f" {orcpt}" in rcpt
    one.wait_gone(submit(one, sender, "plain@dsn-yes.test"))
    commands = lab.sessions("mx1.dsn-yes.test")[-1].commands
    assert not any(word in c for c in commands if "plain@" in c for word in ("NOTIFY", "ORCPT"))  # none are added
    assert told(lab, sender) == []


def test_DSN02_a_host_without_DSN_and_we_say_that_it_was_passed_on(lab, one):
    sender = "dsn-relayed@home.test"
    wishes = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Original+2BName@else.test")
    one.wait_gone(submit(one, sender, "b@dsn-no.test", ("ENVID=abc+2Bdef", "RET=FULL"), wishes))
    bounce = wait_told(lab, sender)
    message, recipient = bounce.status[0], bounce.status[1]
    assert message["Original-Envelope-Id"] == "abc+def"
    assert (recipient["Action"], recipient["Status"][0]) == ("relayed", "2")
    assert "rfc822; Original+Name@else.test" in recipient["Original-Recipient"] and "b@dsn-no.test" in recipient["Final-Recipient"]
    assert "mx1.dsn-no.test" in recipient["Remote-MTA"]
    assert bounce.mail.sender == "" and "secret body" not in bounce.mail.octets.decode()  # no failure: headers (N7)
    assert not any(w in c for c in lab.sessions("mx1.dsn-no.test")[-1].commands for w in ("NOTIFY", "ORCPT", "ENVID", "RET="))


@pytest.mark.parametrize("notify, heard", [("NEVER", False), ("DELAY", False), ("SUCCESS", False), ("FAILURE", True), ("", True)])
def test_DSN02_a_failure_is_told_to_those_who_want_to_hear(lab, one, notify, heard):
    sender = f"dsn-fail-{notify.lower() or 'absent'}@home.test"
    one.wait_gone(submit(one, sender, "unknown@dsn-no.test", (), (f"NOTIFY={notify}",) if notify else ()))
    if heard:
        assert wait_told(lab, sender).field("Action") == "failed"
    else:
        assert told(lab, sender) == []


def test_DSN05_RET_says_how_much_comes_back(lab, one):
    for ret, whole in (("FULL", True), ("HDRS", False)):
        sender = f"dsn-ret-{ret.lower()}@home.test"
        submit(one, sender, "unknown@dsn-no.test", (f"RET={ret}",))
        bounce = wait_told(lab, sender)
        assert ("secret body" in bounce.mail.octets.decode()) == whole
        assert bounce.parts[2].get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")


def test_DSN04_the_null_sender_is_told_nothing(lab, one):
    before = len(lab.mail_of("home.test"))
    one.wait_gone(submit(one, "", "b@dsn-no.test", (), ("NOTIFY=SUCCESS,FAILURE",)))
    one.wait_gone(submit(one, "", "unknown@dsn-no.test", (), ("NOTIFY=SUCCESS,FAILURE",)))
    assert len(lab.mail_of("home.test")) == before


def test_DSN03_what_breaks_the_grammar_is_501(one):
    with one.client() as connection:
        connection.ehlo()
        for wrong in ("RET=SOME", "ENVID=a+0Db", "ENVID=", "RET=FULL RET=HDRS", "ENVID=" + "x" * 101):
            assert connection.mail("a@home.test", wrong.split())[0] == 501, wrong
        expect(250, connection.mail("a@home.test", ("RET=full", "ENVID=x")))
        for wrong in ("NOTIFY=NEVER,SUCCESS", "NOTIFY=", "ORCPT=plain", "ORCPT=rfc822;a+00b", "NOTIFY=DELAY NOTIFY=DELAY"):
            assert connection.rcpt("b@dsn-no.test", wrong.split())[0] == 501, wrong
        expect(250, connection.rcpt("b@dsn-no.test", ("NOTIFY=delay,Failure", "ORCPT=rfc822;" + "a" * 480)))

# SPDX-License-Identifier: Apache-2.0
"""Twelve scenes from the life of the relay. They are played in this order; 11 and 12 restart it."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.world import wait_for
from load import Load, arrived
from stage import Stage


@dataclass
class Scene:
    number: int
    title: str
    play: Callable[[Stage], None]


SCENES: list[Scene] = []


def scene(title: str):
    def add(play: Callable[[Stage], None]):
        SCENES.append(Scene(len(SCENES) + 1, title, play))
        return play

    return add


@scene("no policy; the MX has STARTTLS and a self-signed certificate")
def opportunistic(stage: Stage):
    stage.tell_policy("bob@selfsigned.test")
    sent = stage.send("bob@selfsigned.test")
    mail = stage.wait_delivered(sent)
    stage.check("its MX received it encrypted", mail.encrypted)
    stage.check_counted("selfsigned.test", "no-policy-found", good=1, bad=0)


@scene("no policy; the MX has no STARTTLS")
def in_clear(stage: Stage):
    stage.tell_policy("bob@clear.test")
    sent = stage.send("bob@clear.test")
    mail = stage.wait_delivered(sent)
    stage.check("its MX received it in clear", not mail.encrypted)
    stage.check_counted("clear.test", "no-policy-found", good=0, bad=1, result="starttls-not-supported")


@scene("MTA-STS enforce, everything right")
def sts_enforce(stage: Stage):
    sent = stage.send("bob@sts-enforce.test")
    stage.tell_policy(sent.recipient)
    mail = stage.wait_delivered(sent)
    stage.check("its MX received it encrypted", mail.encrypted)
    stage.check("the policy was fetched", len(stage.lab.fetches("mta-sts.sts-enforce.test")) >= 1)
    stage.check_counted("sts-enforce.test", "sts", good=1, bad=0)


@scene("MTA-STS enforce, certificate for another name")
def sts_wrong_name(stage: Stage):
    before = len(stage.lab.sessions("mx1.sts-wrong-name.test"))  # of whoever used the lab before us
    sent = stage.send("bob@sts-wrong-name.test")
    stage.tell_policy(sent.recipient)
    entry = stage.relay.wait_deferred(sent.id)
    stage.tell_attempts(sent)
    stage.tell("outcome", f"queue: {entry['state']}, {entry['reason']}")
    stage.check("the reason names the certificate and the host", names(entry["reason"], "certificate", "mx1.sts-wrong-name.test"))
    sessions = stage.lab.sessions("mx1.sts-wrong-name.test")[before:]
    stage.check("the host was tried", len(sessions) >= 1)
    stage.check("no session sent mail in clear", not any(s.mail_in_clear for s in sessions))
    stage.check("and none sent it encrypted", not any(b"MAIL FROM" in s.octets("client").upper() for s in sessions))
    stage.check_counted("sts-wrong-name.test", "sts", good=0, bad=1, result="certificate-host-mismatch")


@scene("MTA-STS testing, expired certificate")
def sts_testing(stage: Stage):
    sent = stage.send("bob@sts-testing.test")
    stage.tell_policy(sent.recipient)
    mail = stage.wait_delivered(sent)
    stage.check("its MX received it encrypted all the same", mail.encrypted)
    stage.check_counted("sts-testing.test", "sts", good=0, bad=1, result="certificate-expired")


@scene("partner rule `encrypt`; something strips STARTTLS")
def partner_encrypt(stage: Stage):
    before = len(stage.lab.sessions("mx1.partner-encrypt.test"))  # of whoever used the lab before us
    sent = stage.send("bob@partner-encrypt.test")
    stage.tell_policy(sent.recipient)
    bounce = stage.wait_bounce(sent)
    reason = bounce.field("Diagnostic-Code")
    stage.check("it names the rule", "Partner who must encrypt" in reason)
    stage.check("and the host", "mx1.partner-encrypt.test" in reason)
    stage.check("and the reason", names(reason, "TLS"))
    stage.check("a human reads the same in the first part", "Partner who must encrypt" in " ".join(bounce.text.split()))
    sessions = stage.lab.sessions("mx1.partner-encrypt.test")[before:]
    stage.check("it was tried again within the grace of the rule", len(sessions) >= 2)
    stage.check("no session sent mail", not any(s.mail_in_clear for s in sessions))


@scene("partner rule `verify`, good certificate")
def partner_verify(stage: Stage):
    sent = stage.send("bob@partner-verify.test")
    stage.tell_policy(sent.recipient)
    mail = stage.wait_delivered(sent)
    stage.check("its MX received it encrypted", mail.encrypted)


@scene("the recipient does not exist (550)")
def unknown_recipient(stage: Stage):
    sent = stage.send("unknown-bob@unknown-user.test")
    bounce = stage.wait_bounce(sent)
    stage.check("its status is 5.1.1", bounce.field("Status") == "5.1.1")
    stage.check("it quotes the remote server's reply", "550 5.1.1" in bounce.field("Diagnostic-Code"))
    stage.check("and names that server", "mx1.unknown-user.test" in bounce.field("Remote-MTA"))
    stage.check("the address is the one written to", bounce.field("Final-Recipient").endswith(sent.recipient))


@scene("greylisting: 451, then 250")
def greylisting(stage: Stage):
    sent = stage.send(f"bob-{random.getrandbits(32):08x}@greylist.test")
    entry = stage.relay.wait_deferred(sent.id)
    stage.tell("outcome", f"queue: {entry['state']}, next attempt {entry['next_attempt']}, {entry['reason']}")
    stage.check("the reason quotes the reply", "451" in entry["reason"] or "4.7.1" in entry["reason"])
    stage.wait_delivered(sent)
    stage.check("it took two attempts", len(tries(stage, sent.recipient)) == 2)


def tries(stage: Stage, recipient: str) -> list[str]:
    sessions = stage.lab.sessions("mx1.greylist.test")
    return [c for s in sessions for c in s.commands if c.upper().startswith(f"RCPT TO:<{recipient.upper()}>")]


@scene("null MX and no such domain bounce at once; a first MX that is down costs nothing")
def dead_ends(stage: Stage):
    for address, status in (("bob@null-mx.test", "5.1.10"), ("bob@no-such-domain.test", "5.1.2")):
        began = time.monotonic()
        sent = stage.send(address)
        bounce = stage.wait_bounce(sent, seconds=10)
        stage.check(f"its status is {status}", bounce.field("Status") == status)
        stage.check("no other server is said to have answered", bounce.field("Remote-MTA") == "")
        stage.check("it took one attempt, a moment", time.monotonic() - began < 10)
    sent = stage.send("bob@first-down.test")
    mail = stage.wait_delivered(sent)
    stage.check("the second MX took it", "mx2.first-down.test" in str(mail.message.get_all("Received")[0]))


@scene("the policy host is gone and the relay restarted: the cached policy still holds")
def cached_policy(stage: Stage):
    lab, relay = stage.lab, stage.relay
    stage.wait_delivered(stage.send("bob@sts-remembered.test"))
    before = len(lab.fetches("mta-sts.sts-remembered.test"))
    stage.check("the policy has been fetched", before >= 1)
    lab.change("sts-remembered", sts={"txt": False, "address": "refused"}, certificate="expired")
    stage.tell("world", "the policy host and the TXT record are gone; the MX shows an expired certificate")
    relay.restart()
    stage.tell("relay", "restarted")
    sent = stage.send("bob@sts-remembered.test")
    stage.tell_policy(sent.recipient)
    entry = relay.wait_deferred(sent.id)
    stage.tell("outcome", f"queue: {entry['state']}, {entry['reason']}")
    stage.check("the certificate is refused", names(entry["reason"], "certificate"))
    stage.check("the recipient got nothing", not stage.mail(sent))
    lab.change("sts-remembered", certificate="good")
    stage.tell("world", "the MX shows a good certificate again")
    stage.wait_delivered(sent)


@scene("kill -9 under load: every message that got its 250 arrives")
def crash_under_load(stage: Stage):
    relay = stage.relay
    load = Load(relay, "load.test").start()
    try:
        for _ in range(3):
            time.sleep(random.uniform(0.5, 1.5))
            relay.kill()
            relay.start()
        time.sleep(0.5)
    finally:
        load.stop()
    stage.tell("sent", f"{len(load.ledger)} messages got 250; at {load.unknown} more the connection broke first")
    stage.tell("relay", "killed and started again three times")
    stage.check("there was a load", len(load.ledger) >= 50)
    wait_for(lambda: load.ledger <= arrived(relay, "load.test").keys(), 60, 0.5)
    there = arrived(relay, "load.test")
    missing = load.ledger - there.keys()
    twice = sum(1 for count in there.values() if count > 1)
    stage.tell("outcome", f"{len(load.ledger) - len(missing)} of {len(load.ledger)} arrived, {twice} of them twice")
    stage.check("every message that got its 250 arrived", not missing)


def names(text: str, *words: str) -> bool:
    """Does the text contain all of these, whatever their case?"""
    return all(word.lower() in text.lower() for word in words)

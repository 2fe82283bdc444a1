# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the relay's own side: bad configuration, full disk, dead resolver, reloads, strangers."""

import smtplib
import time

import pytest
from lab.world import wait_for
from load import Load, arrived
from relay import BINARY, Relay, RelayError


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"hostnam": "x"}, ["hostnam", "hostname"]),
        ({"delivery": {"retry": ["soon"]}}, ["retry"]),
        ({"delivery": {"lifetime": "5 fortnights"}}, ["lifetime"]),
        ({"dns": {"servers": ["not an address"]}}, ["servers"]),
        ({"tls": {"trust": "/nowhere.pem"}}, ["trust", "/nowhere.pem"]),
        ({"tls": {"minimum": "1.0"}}, ["minimum"]),
        ({"listener": [{"address": "127.0.0.1", "mode": "relay"}]}, ["address"]),
        ({"route": [{"domain": "*"}]}, ["relay"]),
    ],
)
def test_a_configuration_error_names_its_place_and_nothing_starts(lab, tmp_path, settings, words):
    one = Relay(lab, tmp_path, **settings)
    checked = one.command("check")
    assert checked.returncode != 0
    text = checked.stdout + checked.stderr
    assert f"{one.config}:" in text and all(word in text for word in words), text
    with pytest.raises(RelayError, match="ended with"):
        one.start()
    assert not list((one.data / "spool").glob("journal/*")) if (one.data / "spool").exists() else True


def test_an_error_in_a_partner_file_keeps_the_old_rules(lab, relay):
    """T-52: a reload that cannot be applied changes nothing."""
    rule = {"name": "Encrypt", "tls": "encrypt", "domains": ["partner-encrypt.test"], "on_failure": "defer"}
    one = relay(partners=[rule])
    one.write_partners([{**rule, "tls": "encypt"}])
    one.reload()
    assert wait_for(lambda: "partners.toml" in one.log.read_text(), 10)
    entry = one.wait_deferred(one.submit("a@home.test", "b@partner-encrypt.test", "Subject: x\r\n\r\nx\r\n"))
    assert "Encrypt" in entry["reason"]
    one.write_partners([], weaker=[{"partners": ["Encrypt"], "removed": True}])
    one.reload()
    one.wait_gone(entry["id"], 20)


def test_T52_reloads_under_load_fail_nobody(lab, relay):
    rule = {"name": "Other", "tls": "encrypt", "domains": ["elsewhere.test"]}
    one = relay(partners=[rule])
    lab.change("reloaded", peer="script", keep_transcript=False)
    load = Load(one, "reloaded.test", threads=2, pause=0.01).start()
    for n in range(100):
        one.write_partners([rule] if n % 2 else [{**rule, "tls": "nonsense"}])
        one.reload()
        time.sleep(0.02)
    load.stop()
    assert load.refused == 0 and load.unknown == 0
    assert wait_for(lambda: load.ledger <= arrived(one, "reloaded.test").keys(), 30, 0.2)


class SmallDisk(Relay):
    """Its data lives on a file system with little room, mounted where only the relay sees it."""

    size = "480m"  # a few journal segments of 64 MiB, and the 64 MiB below which mail is refused

    def start(self, wait: bool = True):
        mount = f"mountpoint -q {self.data} || mount -t tmpfs -o size={self.size},mode=700 tmpfs {self.data}"
        binary = f"exec {BINARY} \"$@\""
        self.lab_command = self.lab.command
        lab, self.lab = self.lab, MountFirst(self.lab, f"{mount}; {binary}")
        try:
            return super().start(wait)
        finally:
            self.lab = lab


class MountFirst:
    """The lab, but commands are arguments of a shell script."""

    def __init__(self, lab, script: str):
        self.lab = lab
        self.script = script

    def __getattr__(self, name):
        return getattr(self.lab, name)

    def command(self, command: list) -> list[str]:
        return self.lab.command(["/bin/sh", "-c", self.script, "sh", *command[1:]])


def test_D08_a_full_disk_refuses_mail_and_loses_none(lab, tmp_path):
    """452 when there is no room, deliveries go on and free some, and then mail is taken again."""
    lab.change("full", peer="script", keep_transcript=False, script=[{"at": "mail", "reply": "451 4.3.2 not yet"}])
    one = SmallDisk(lab, tmp_path)
    one.start()
    taken, refused = [], None
    body = "x" * 70 + "\r\n"
    for n in range(400):
        try:
            taken.append(one.submit("a@home.test", "b@full.test", f"Subject: full {n}\r\n\r\n{body * 14000}"))
        except (RelayError, smtplib.SMTPException) as error:
            refused = str(error)
            break
    assert taken and refused and "452" in refused, (len(taken), refused)
    assert {e["id"] for e in one.queue()} == set(taken)
    lab.change("full", script=[])
    assert wait_for(lambda: len(lab.mail_of("full.test")) >= len(taken), 60, 0.5)
    assert not one.queue()
    assert wait_for(lambda: accepts(one), 30, 0.5), "the room came back, but mail is still refused"
    one.kill()


def accepts(one: Relay) -> bool:
    try:
        one.submit("a@home.test", "b@full.test", "Subject: after\r\n\r\nx\r\n")
        return True
    except (RelayError, smtplib.SMTPException):
        return False


def test_a_dead_resolver_defers_and_recovers(lab, relay):
    one = relay(dns={"servers": ["127.0.0.2"]})
    lab.change("resolved", peer="script")
    try:
        lab.dns_rules({"do": "silent"})
        id = one.submit("a@home.test", "b@resolved.test", "Subject: x\r\n\r\nx\r\n")
        one.wait_deferred(id, seconds=60)
    finally:
        lab.dns_rules()
    one.wait_gone(id, 60)
    assert lab.mail_of("resolved.test")


@pytest.mark.parametrize("deed, state", [("strip-ad", "no_ad"), ("pass", "proven")])
def test_T10_the_resolver_is_tested_at_start(lab, relay, deed, state):
    lab.dns_rules({"do": deed})
    try:
        one = relay(dns={"servers": ["127.0.0.2"]})
        assert wait_for(lambda: one.ask("status")["dnssec"]["state"].replace("-", "_") == state, 15), one.ask("status")["dnssec"]
    finally:
        lab.dns_rules()


def test_T10_without_ad_tlsa_records_count_for_nothing_and_mail_flows(lab, relay):
    """Wrong TLSA records would hold the mail if the resolver's word were taken."""
    lab.dns_rules({"do": "strip-ad"})
    try:
        one = relay(dns={"servers": ["127.0.0.2"]})
        one.wait_gone(one.submit("a@home.test", "no-ad@dane-wrong.test", "Subject: x\r\n\r\nx\r\n"))
        assert [m for m in lab.mail_of("dane-wrong.test") if m.recipient == "no-ad@dane-wrong.test"]
    finally:
        lab.dns_rules()


def test_T30_strangers_may_not_relay(lab, relay):
    address = "44.128.254.2"
    relay(listener=[{"address": f"{address}:2600", "allow": ["127.0.0.0/8"]}])
    with lab.entered():
        client = smtplib.SMTP(address, 2600, "stranger.test", timeout=10)
    with client:
        client.ehlo()
        client.mail("a@elsewhere.test")
        for form in ("b@clear.test", "b%clear.test@relay.home.test", "@relay.home.test:b@clear.test", "clear.test!b", "b@[44.128.1.2]"):
            code, reply = client.rcpt(form)
            assert code >= 500, (form, reply)


def test_T36_a_bounce_that_bounces_ends(lab, relay):
    one = relay()
    id = one.submit("unknown-sender@home.test", "unknown-bob@unknown-user.test", "Subject: x\r\n\r\nx\r\n")
    assert wait_for(lambda: not one.queue(id), 15)
    assert wait_for(lambda: not [e for e in one.queue() if e["state"] != "held"], 15), one.queue()
    null_senders = [m for m in lab.mail_of("home.test") if m.sender == "" and "unknown-" in m.recipient]
    assert not null_senders


def test_D28_sigterm_finishes_what_is_under_way(lab, relay):
    lab.change("slowly", peer="script", script=[{"at": "body", "wait": 2}])
    one = relay()
    id = one.submit("a@home.test", "b@slowly.test", "Subject: x\r\n\r\nx\r\n")
    assert wait_for(lambda: lab.sessions("mx1.slowly.test"), 10)
    time.sleep(0.5)
    assert one.stop() == 0
    assert len(lab.mail_of("slowly.test")) == 1
    one.start()
    assert wait_for(lambda: not one.queue(id), 10)
    assert len(lab.mail_of("slowly.test")) == 1

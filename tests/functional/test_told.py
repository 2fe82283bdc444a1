# SPDX-License-Identifier: Apache-2.0
"""What operators are told: in the log, by `status`, by `queue show`, by `policy explain`, and when a command cannot be done."""

import json
import os
import subprocess

import pytest
from lab.world import wait_for
from relay import BINARY, Relay

DOMAINS = [
    {"name": "told-rule", "certificate": "other-name"},
    {"name": "told-sts", "certificate": "expired", "sts": {"mode": "enforce"}},
    {"name": "told-record", "sts": {"mode": "enforce", "txt": "v=STSv1; id=not-letters-and-digits;"}},
    {"name": "told-desk"},
]
RULE = {"name": "Told", "domains": ["told-rule.test"], "tls": "verify", "grace": "1h"}
MESSAGE = "From: a@home.test\r\nTo: b@told.test\r\nSubject: x\r\n\r\nx\r\n"


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all(*DOMAINS)
    relay = Relay(lab, tmp_path_factory.mktemp("told"), partners=[RULE], postmaster="mail-team@told-desk.test", delivery={"retry": ["1h"], "lifetime": "1d", "delay_notice": "1s"})
    yield relay.start()
    relay.kill()


def refused(one, sender: str, recipient: str) -> dict:
    """Mail that was refused by a policy; its queue entry. A domain of which mail was refused before waits, so it is told not to."""
    id = one.submit(sender, recipient, MESSAGE)

    def look():
        if any(e["attempts"] for e in one.queue(id)):
            return True
        one.command("queue", "retry", id)
        return False

    assert wait_for(look, 30, 0.5), one.last_words()
    return one.wait_deferred(id)


def test_a_refusal_is_told_with_host_policy_and_message(one):
    for name, policy in (("told-rule", "partner:Told"), ("told-sts", "mta-sts:")):
        entry = refused(one, "a@home.test", f"b@{name}.test")
        hosts = [event["mx"] for event in one.events("host_refused", id=entry["id"])]
        deferred = one.events("deferred", id=entry["id"])[-1]
        assert hosts and all(host.startswith(f"mx1.{name}.test[") for host in hosts), hosts
        assert deferred["mx"] == f"mx1.{name}.test" and deferred["policy"].startswith(policy), deferred
        assert entry["policy"].startswith(policy)
    kept = {e["recipient"] for e in one.ask("queue", "list", "--policy", "told")["entries"]}
    assert kept == {"b@told-rule.test"}


def test_the_grace_of_a_rule_is_when_mail_is_returned(one):
    entry = refused(one, "a@home.test", "b@told-rule.test")
    assert entry["expires"] == entry["grace_ends"] and entry["grace_then"] == "returned"
    assert entry["grace_ends"] > entry["refused_since"]
    shown = one.command("queue", "show", entry["id"]).stdout
    assert f"grace: until {entry['grace_ends']}, then returned" in shown, shown


def test_explain_is_data(one):
    told = one.explain("b@told-rule.test")
    assert told["partner"]["name"] == "Told" and told["mta_sts"]["state"] == "none"
    demand = next(d for d in told["hosts"][0]["demands"] if d["source"] == "partner")
    assert demand["enforced"] and demand["trusted_chain"] and demand["names"]["domain"]
    assert told["hosts"][0]["addresses"] and told["hosts"][0]["dane"]["state"]
    assert one.explain("b@told-sts.test")["mta_sts"]["mode"] == "enforce"


def test_a_record_that_cannot_be_read_is_no_missing_record(one):
    told = one.explain("b@told-record.test")
    assert told["mta_sts"]["state"] == "none" and told["mta_sts"]["record_problem"]
    assert any("the record that is published cannot be read" in line for line in told["trace"])


def test_status_begins_with_a_verdict(one):
    refused(one, "a@home.test", "b@told-rule.test")
    assert wait_for(lambda: one.ask("status")["dnssec"]["state"] == "proven", 30, 0.2)
    assert wait_for(lambda: one.ask("status")["queue"]["oldest_s"] > 1, 15, 0.2)
    first = " ".join(one.command("status").stdout.split("\n  - ")[0].split())
    assert first.startswith("NOT WELL: ") and "mail waits longer than 1s" in first and " waiting, oldest " in first, first
    assert one.ask("status")["verdict"]["grade"] == "attention"
    assert one.command("status", "--check").returncode == 1
    assert "deferred" not in one.ask("status")["delivery"]


def test_notifications_are_the_postmasters(lab, one):
    refused(one, "bounced@told-desk.test", "b@told-rule.test")
    assert one.command("queue", "bounce", "--sender", "bounced@*", "--yes").returncode == 0
    returned = lambda: [m.message for m in lab.mail_of("told-desk.test") if "Action: failed" in m.message.as_string()]
    assert wait_for(returned, 20)
    assert "mail-team@told-desk.test" in returned()[0]["From"]


def fails(one, *words, config=None, user=None):
    command = [BINARY, "--json", "--config", config or one.config, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, user=user, cwd="/")
    return done.returncode, json.loads(done.stderr)


def test_no_relay_no_right_and_no_such_path_are_three_errors(one, tmp_path):
    one.kill()
    down = fails(one, "status")
    assert down[0] == 69 and "nobody listens" in down[1]["error"] and "sealpost run" in down[1]["remedy"]
    (one.data / "control.sock").unlink()
    assert "there is no control socket" in fails(one, "status")[1]["error"]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(f'hostname = "a.test"\ndata_dir = "{tmp_path}/none"\n')
    assert "not even the folder" in fails(one, "status", config=wrong)[1]["error"]
    one.start()
    if os.geteuid() == 0:
        wrong.write_text(f'hostname = "a.test"\ndata_dir = "{one.data}"\n')
        done = subprocess.run([BINARY, "--json", "--socket", one.data / "control.sock", "status"], capture_output=True, text=True, user="nobody", cwd="/")
        assert done.returncode == 77 and "closed to user nobody" in json.loads(done.stderr)["error"], done
    code, error = fails(one, "quue", "list")
    assert code == 64 and "did you mean 'queue'?" in error["error"]
    code, error = fails(one, "queue", "list", "--domian", "x")
    assert code == 64 and "did you mean '--domain'?" in error["error"]


def test_one_partner_file_is_checked_by_itself(one, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('[[partner]]\nname = "A"\ndomains = ["a.test"]\ntls = "verify"\n')
    done = one.lab.command([BINARY, "check", file])
    said = subprocess.run(done, capture_output=True, text=True)
    assert said.returncode == 0 and "1 partner rule, by itself" in said.stdout, said
    file.write_text('[[partner]]\nname = "A"\ntls = verify\n')
    said = subprocess.run(done, capture_output=True, text=True)
    assert said.returncode == 78 and "stand in quotes" in said.stderr and "dns.servers" not in said.stderr, said


def test_what_would_not_work_is_not_ok(lab, one, tmp_path):
    for settings, words in (
        ('[control]\nhttp = "192.0.2.1:9925"', "http_allow"),
        (f'[log]\nfile = "{tmp_path}/no/such/folder/log"', "cannot be written"),
        (f'[log]\nfile = "{tmp_path}"', "is a directory; name a file in it"),
        (f'[control]\nsocket = "{tmp_path}/no/such/sock"', "there is no folder"),
    ):
        file = tmp_path / "c.toml"
        file.write_text(f'hostname = "a.test"\ndata_dir = "{tmp_path}/d"\n{settings}\n')
        said = subprocess.run([BINARY, "check", file], capture_output=True, text=True)
        assert said.returncode == 78 and words in said.stderr and "ok" not in said.stdout, said


def test_help_is_about_its_command(one):
    for words in ((), ("queue",), ("queue", "list"), ("check",), ("report", "show")):
        said = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True).stdout
        assert ("First steps" in said) == (words == ()), words

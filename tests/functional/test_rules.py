# SPDX-License-Identifier: Apache-2.0
"""The compliance officer's tools: rules tried on what has happened and on what answers now, before they bite.

One relay for all of them. Mail flows by opportunistic TLS and rules in audit mode; what it met is on record.
"""

import datetime
import hashlib
import json
import sqlite3

import pytest
from lab.world import wait_for
from relay import Bare, Relay, to_toml

AUDIT = {"tls": "verify", "mode": "audit"}
PARTNERS = [
    {"name": "Good", "domains": ["partner-verify.test"], **AUDIT},
    {"name": "Self-signed", "domains": ["selfsigned.test"], **AUDIT},
    {"name": "Unused", "domains": ["unknown-user.test"], **AUDIT},
]
MAILS = {"partner-verify": 2, "selfsigned": 1, "clear": 1, "sts-enforce": 1, "dane": 1}


@pytest.fixture(scope="module")
def relay(lab, tmp_path_factory):
    one = Relay(lab, tmp_path_factory.mktemp("rules"), partners=PARTNERS, evidence={"keep_days": 30}).start()
    for name, count in MAILS.items():
        for _ in range(count):
            id = one.submit("a@home.test", f"b@{name}.test", "Subject: x\r\n\r\nx\r\n")
            one.wait_gone(id)
    yield one
    one.kill()


def draft(relay, tmp_path, *rules: dict):
    path = tmp_path / "draft.toml"
    path.write_text(to_toml({"partner": list(rules)}))
    return path


def test_readiness_of_rules_on_trial(relay):
    answer = relay.ask("policy", "readiness")
    by_name = {p["partner"]: p for p in answer["partners"]}
    good = by_name["Good"]
    assert good["sessions"] >= 1 and good["passed"] == good["sessions"] and good["ready"]
    assert good["text"] == f"{good['passed']} of {good['sessions']} sessions in 30 days would have passed"
    bad = by_name["Self-signed"]
    assert bad["sessions"] >= 1 and bad["passed"] == 0 and not bad["ready"]
    assert "certificate of mx1.selfsigned.test not valid for partner rule 'Self-signed'" in bad["reasons"][0]["text"]
    assert by_name["Unused"]["text"] == "no session in 30 days"

    # The same sentence wherever one looks.
    listed = {p["name"]: p for p in relay.ask("policy", "list")["partners"]}
    assert listed["Good"]["readiness"]["text"] == good["text"]
    assert any(good["text"] in line for line in relay.explain("x@partner-verify.test")["trace"])
    assert any(line.startswith(f"Good: {good['text']}; mode") for line in relay.ask("status")["rules_on_trial"])
    assert relay.ask("policy", "readiness", "good")["partners"] == [good]
    assert relay.command("policy", "readiness", "Nobody").returncode == 66
    assert "ready: mode" in relay.command("policy", "readiness", "Good").stdout


def test_a_draft_is_replayed_against_recorded_sessions(relay, tmp_path):
    path = draft(
        relay, tmp_path,
        {"name": "Draft", "domains": ["clear.test", "dane.test", "*.nowhere.test"], "tls": "encrypt"},
        {"name": "Self-signed", "domains": ["selfsigned.test"], "tls": "verify"},
    )  # fmt: skip
    answer = relay.ask("policy", "replay", "--rule", str(path), "--since", "1d")
    hosts = {h["domain"]: h for h in answer["hosts"]}
    assert set(hosts) == {"clear.test", "dane.test", "selfsigned.test"}
    assert hosts["dane.test"]["passes_now"] == hosts["dane.test"]["sessions"] >= 1
    assert hosts["clear.test"]["newly_failing"] == hosts["clear.test"]["passed_then"] >= 1
    assert "not offered by mx1.clear.test" in hosts["clear.test"]["reasons"][0]["text"]
    assert hosts["selfsigned.test"]["newly_failing"] >= 1
    assert answer["newly_failing"] == hosts["clear.test"]["newly_failing"] + hosts["selfsigned.test"]["newly_failing"]
    assert len(answer["rule_file_sha256"]) == 64
    # Nothing came into force.
    assert "none" in relay.explain("x@clear.test")["trace"][0]
    assert relay.ask("policy", "replay", "--rule", str(path), "--since", "2100-01-01")["sessions"] == 0


def test_a_broken_draft_says_where(relay, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('[[partner]]\nname = "X"\ndomains = ["x.test"]\ntls = "strong"\n')
    done = relay.command("policy", "replay", "--rule", str(path))
    assert done.returncode == 65 and "broken.toml:4" in done.stderr and "encrypt" in done.stderr
    assert relay.command("policy", "replay", "--rule", str(tmp_path / "none.toml")).returncode == 66
    good = draft(relay, tmp_path, {"name": "D", "domains": ["x.test"], "tls": "encrypt"})
    assert relay.command("policy", "replay", "--rule", str(good), "--since", "lately").returncode == 65


def test_the_database_reads_with_sqlite_while_the_relay_writes(relay):
    with sqlite3.connect(f"file:{relay.data}/evidence.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT domain, mx_host, verdict, starttls, dane, handshakes FROM sessions").fetchall()
    seen = {row[0]: row for row in rows}
    assert seen["clear.test"][3] == "not-offered"
    assert seen["dane.test"][3:5] == ("established", "usable")
    assert seen["partner-verify.test"][2] == "deliver"


def test_D23_mail_flows_when_the_database_cannot_be_opened_or_written(lab, tmp_path):
    relay = Relay(lab, tmp_path / "r")
    (relay.data / "evidence.db").mkdir()  # no file can be put there, whoever one is
    relay.start()
    try:
        relay.wait_gone(relay.submit("a@home.test", "b@selfsigned.test", "Subject: x\r\n\r\nx\r\n"))
        assert relay.ask("status")["evidence"]["state"].startswith("in memory: ")
        done = relay.command("policy", "readiness")
        assert done.returncode == 75 and "evidence.db is not open" in done.stderr
        relay.stop()
        (relay.data / "evidence.db").rmdir()
        relay.start()
        # Somebody holds the database for himself: recording waits in memory, mail does not, and nothing is lost.
        with sqlite3.connect(relay.data / "evidence.db", isolation_level=None) as db:
            db.execute("BEGIN IMMEDIATE")
            relay.wait_gone(relay.submit("a@home.test", "b@selfsigned.test", "Subject: x\r\n\r\nx\r\n"))
            assert wait_for(lambda: relay.ask("status")["evidence"]["state"].startswith("in memory: "), 30, 0.5)
            db.execute("ROLLBACK")
        relay.wait_gone(relay.submit("a@home.test", "b@clear.test", "Subject: x\r\n\r\nx\r\n"))
        assert wait_for(lambda: relay.ask("status")["evidence"]["sessions_recorded"] >= 2, 60, 0.5)
        assert relay.ask("status")["evidence"]["sessions_dropped"] == 0
    finally:
        relay.kill()


def test_what_gets_weaker_is_said_before_it_bites(relay, tmp_path):
    relay_file = str(relay.policies / "partners.toml")
    same = relay.command("check", "--against", relay_file)
    assert same.returncode == 0 and "Demands the same" in same.stdout
    stricter = tmp_path / "before"
    stricter.mkdir()
    (stricter / "one.toml").write_text(
        to_toml({"partner": [{**PARTNERS[0], "mode": "enforce", "minimum": "1.3"}, *PARTNERS[1:]]})
    )
    done = relay.command("--json", "check", "--against", str(stricter))
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    (change,) = answer["against"]["rules"]
    assert answer["ok"] and answer["against"]["weaker"] and change["kind"] == "weaker"
    assert change["domains"] == ["partner-verify.test"] and "TLS is no longer required" in change["weaker"]
    other = tmp_path / "other.toml"
    other.write_text(relay.config.read_text().replace("[tls]", '[dane]\nenabled = false\n\n[tls]\nminimum = "1.3"'))
    done = relay.command("check", "--against", str(other))
    assert done.returncode == 1 and "lowest TLS version TLSv1.2" in done.stdout and "DANE is switched on" in done.stdout
    (stricter / "two.toml").write_text("[[partner]]\nname = 3\n")
    done = relay.command("check", "--against", str(stricter))
    assert done.returncode == 78 and "two.toml:2" in done.stderr


def probe(relay, *words: str):
    done = relay.command("--json", "policy", "probe", *words)
    return done.returncode, json.loads(done.stdout)


def test_a_probe_says_what_a_delivery_would_make_of_each_host(relay):
    code, answer = probe(relay, "partner-verify.test")
    (host,) = answer["hosts"]
    assert code == 0 and host["verdict"] == "deliver" and host["starttls"] == "established"
    assert host["certificate"]["chain"] == "trusted" and "mx1.partner-verify.test" in host["certificate"]["names"]
    assert host["certificate"]["days_left"] > 0 and len(host["certificate"]["spki_sha256"]) == 64
    sources = {s["source"]: s for s in host["sources"]}
    assert sources["partner"]["origin"] == "Good" and sources["partner"]["force"] == "observe" and sources["partner"]["satisfied"]
    assert host["levels"]["verify"] == "holds" and host["levels"]["dane"] != "holds"

    code, answer = probe(relay, "someone@selfsigned.test")
    (host,) = answer["hosts"]
    assert code == 0 and host["verdict"] == "deliver and report"
    assert host["levels"]["encrypt"] == "holds" and "not valid" in host["levels"]["verify"]
    assert any("enforced it would refuse" in note for note in host["notes"])

    code, answer = probe(relay, "dane-wrong.test")
    assert code == 1 and answer["hosts"][0]["verdict"] == "refuse" and "no TLSA record" in answer["hosts"][0]["why"]
    code, answer = probe(relay, "first-down.test")
    assert [h["verdict"] for h in answer["hosts"]] == ["not reached", "deliver"] and answer["hosts"][0]["did_not_answer"]
    assert code == 0
    code, answer = probe(relay, "null-mx.test")
    assert code == 75 and "null MX" in answer["no_route"]
    assert "no mail was sent" in relay.command("policy", "probe", "sts-enforce.test").stdout


def test_a_probe_tries_a_rule_that_is_not_in_force(relay, tmp_path):
    path = draft(relay, tmp_path, {"name": "Draft", "domains": ["clear.test"], "tls": "encrypt", "mode": "audit"})
    code, answer = probe(relay, "clear.test")
    assert code == 0 and answer["rule_file_sha256"] is None and answer["rules"] == []
    code, answer = probe(relay, "clear.test", "--rule", str(path))
    assert code == 1 and answer["hosts"][0]["verdict"] == "refuse"
    assert answer["rule_file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [r["name"] for r in answer["rules"]] == ["Draft"] and len(answer["rules"][0]["hash"]) == 64
    done = relay.command("policy", "probe", "selfsigned.test", "--rule", str(path))
    assert done.returncode == 65 and "no rule of the file is about selfsigned.test" in done.stderr


def test_T44_a_probe_leaves_no_trace(lab, relay):
    """A domain that got no mail: probed, then nothing counted, nothing recorded, nothing sent, no connection kept."""
    relay.ask("policy", "readiness")  # comes back when all that was recorded is written
    before = relay.ask("status")
    code, answer = probe(relay, "dane-ta.test")
    assert code == 0 and answer["hosts"][0]["dane"]["state"] == "usable records"
    assert lab.mail_of("dane-ta.test") == []
    assert relay.report("dane-ta.test") is None
    relay.ask("policy", "readiness")
    after = relay.ask("status")
    for key in ("handshakes", "connections", "refused_by_policy", "reused"):
        assert after["delivery"][key] == before["delivery"][key]
    assert after["queue"]["idle_connections"] == before["queue"]["idle_connections"]
    assert after["evidence"]["sessions_recorded"] == before["evidence"]["sessions_recorded"]


def test_T59_probes_at_once_are_few(lab, relay):
    """A host that is slow to greet holds a probe up; a third one is turned away, and mail flows meanwhile."""
    lab.change_all({"name": "slow-greeting", "peer": "script", "script": [{"at": "greeting", "wait": 5}]})
    held = [relay.command_started("policy", "probe", "slow-greeting.test") for _ in range(2)]
    third = []

    def turned_away():
        for i, one in enumerate(held):  # one of them may have come after a third, and found no place itself
            if one.poll() is not None:
                held[i] = relay.command_started("policy", "probe", "slow-greeting.test")
        third[:] = [relay.command("policy", "probe", "partner-verify.test")]
        return third[0].returncode == 75

    try:
        assert wait_for(turned_away, 15, 0.3) and "two probes are under way" in third[0].stderr
        relay.wait_gone(relay.submit("a@home.test", "b@clear.test", "Subject: x\r\n\r\nx\r\n"))
    finally:
        for one in held:
            one.kill()
            one.wait()
    # The places are free again when the probes have ended, whoever waited for them.
    assert wait_for(lambda: relay.command("policy", "probe", "partner-verify.test").returncode == 0, 45, 0.5)


def test_suggested_rules_are_a_file_that_holds(relay, tmp_path):
    options = ("--least-sessions", "1", "--least-days", "0")
    answer = relay.ask("policy", "suggest", *options)
    levels = {s["domain"]: s["tls"] for s in answer["suggestions"]}
    assert levels["sts-enforce.test"] == "verify" and levels["dane.test"] == "dane"
    assert "clear.test" not in levels and answer["none_holds"] >= 1
    assert "selfsigned.test" not in levels and answer["has_rule"] >= 1
    assert relay.ask("policy", "suggest")["suggestions"] == []  # a minute of traffic is no ground for a rule

    path = tmp_path / "suggested.toml"
    path.write_text(relay.command("policy", "suggest", *options).stdout)
    replayed = relay.ask("policy", "replay", "--rule", str(path), "--since", "1d")
    assert replayed["sessions"] >= 2 and replayed["newly_failing"] == 0
    assert replayed["passes_now"] == replayed["sessions"]


def test_a_rule_for_everybody_and_an_exception_are_seen_as_what_they_are(lab, tmp_path):
    soon = Bare((datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=5)).strftime("%Y-%m-%d"))
    exception = {"until": soon, "tls": "encrypt", "reason": "their new certificate is ordered", "approved_by": "ciso@home.test"}
    everybody = {"name": "All mail", "domains": ["*"], "tls": "encrypt", "grace": "1s"}
    relay = Relay(
        lab, tmp_path / "r", partners=[
            everybody,
            {"name": "In clear", "domains": ["sts-enforce.test"], "tls": "opportunistic"},
            {"name": "Late", "domains": ["selfsigned.test"], "tls": "verify", "exception": [exception]},
        ],
    ).start()  # fmt: skip
    try:
        # Whom nobody names is under the rule for all: no mail to him in clear.
        id = relay.submit("a@home.test", "b@clear.test", "Subject: x\r\n\r\nx\r\n")
        relay.wait_gone(id, 60)
        bounced = relay.events("bounced", id=id)
        assert bounced and "partner rule 'All mail'" in bounced[0]["reply"]
        for domain in ["partner-verify", "selfsigned"]:
            id = relay.submit("a@home.test", f"b@{domain}.test", "Subject: x\r\n\r\nx\r\n")
            relay.wait_gone(id)
            assert relay.events("delivered", id=id), domain
        assert relay.explain("x@clear.test")["partner"]["name"] == "All mail"
        assert relay.explain("x@sts-enforce.test")["partner"]["name"] == "In clear"

        listed = {p["name"]: p for p in relay.ask("policy", "list")["partners"]}
        late = listed["Late"]
        assert (late["tls"], late["tls_by_rule"]) == ("encrypt", "verify")
        assert late["exception"]["approved_by"] == "ciso@home.test" and listed["All mail"]["exception"] is None
        # What passed by the exception has not passed the rule.
        assert wait_for(lambda: relay.ask("policy", "readiness", "Late")["partners"][0]["sessions"] >= 1, 30, 0.5)
        assert relay.ask("policy", "readiness", "Late")["partners"][0]["passed"] == 0
        words = relay.command("policy", "list").stdout
        assert f"verify (encrypt by exception until {soon}; 0 of 1 without it)" in words

        host = relay.ask("policy", "probe", "selfsigned.test")["hosts"][0]
        assert host["verdict"] == "deliver" and "not valid for partner rule 'Late'" in host["without_exception"]
        assert any(note.startswith("an exception is in force until") for note in host["notes"])
        assert relay.ask("policy", "probe", "partner-verify.test")["hosts"][0]["without_exception"] is None
    finally:
        relay.kill()

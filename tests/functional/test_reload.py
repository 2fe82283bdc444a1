# SPDX-License-Identifier: Apache-2.0
"""T-52: what changes without a restart: for mail that waits already, and all of it or nothing."""

import concurrent.futures
import datetime
import json
import subprocess

import pytest
from lab.world import wait_for
from relay import Bare, utc_day

LATER = [{"at": "rcpt", "reply": "451 4.7.1 come back later"}]


def test_T52_a_schedule_changes_for_mail_that_waits_and_a_wrong_one_for_none(lab, relay):
    lab.change("reload-slow", peer="script", script=LATER)
    one = relay(delivery={"retry": ["1h"], "lifetime": "5d"})
    id = one.submit("a@home.test", "b@reload-slow.test", "Subject: x\r\n\r\nx\r\n")
    entry = one.wait_deferred(id)
    said = one.reload_with(delivery={"retry": ["1s"], "lifetime": "0s"})
    assert said["event"] == "reload_refused"
    assert one.queue(id)[0]["expires"] == entry["expires"]
    said = one.reload_with(delivery={"retry": ["1s"], "lifetime": "1d"})
    assert said["event"] == "reloaded" and said["changed"] == "delivery.lifetime, delivery.retry"
    assert not one.events("reload_partial")
    days = lambda e: datetime.datetime.fromisoformat(e["expires"].replace("Z", "+00:00"))
    now = one.queue(id)[0]
    assert days(entry) - days(now) > datetime.timedelta(days=3)
    assert now["attempts"] == 1  # it keeps the time of its next attempt
    assert one.command("queue", "retry", id).returncode == 0
    one.wait_deferred(id, attempts=4, seconds=20)
    assert wait_for(lambda: not one.events("lifetime_shorter"), 1)


def test_T52_whom_alerts_are_mailed_to_and_when_changes(lab, relay):
    lab.change_all({"name": "reload-alert", "certificate": "expired", "sts": {"mode": "enforce"}}, {"name": "reload-desk"})
    one = relay(alerts={"after": "10m"})
    one.wait_deferred(one.submit("a@home.test", "b@reload-alert.test", "Subject: x\r\n\r\nx\r\n"))
    assert wait_for(lambda: one.ask("report", "alerts")["pending"], 20)
    assert not one.ask("report", "alerts")["open"]
    said = one.reload_with(alerts={"after": "1s", "mail": "postmaster@reload-desk.test"})
    assert said["changed"] == "alerts.after, alerts.mail"
    assert wait_for(lambda: [a["subject"] for a in one.ask("report", "alerts")["open"]] == ["reload-alert.test"], 30)
    assert wait_for(lambda: [m.message["Subject"] for m in lab.mail_of("reload-desk.test")] == ["relay.home.test: 1 problem with TLS to partners"], 30)
    one.reload_with(alerts={"enabled": False})
    assert not one.ask("report", "alerts")["enabled"] and not one.ask("report", "alerts")["open"]
    assert one.ask("status")["alerts"]["open"] == 0
    one.reload_with(alerts={"enabled": True})
    assert wait_for(lambda: len(one.ask("report", "alerts")["open"]) == 1, 10)


@pytest.fixture
def other_root(tmp_path):
    """Of nobody we know."""
    pem = tmp_path / "other-root.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    subprocess.run([*command, "-subj", "/CN=Other Root", "-keyout", "/dev/null", "-out", pem], check=True, capture_output=True)
    return pem


def test_T07_T52_roots_change_for_the_next_session_and_a_file_that_is_none_changes_nothing(lab, relay, tmp_path, other_root):
    lab.change("reload-trust")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(lab.trust_file.read_bytes())
    rule = {"name": "Trusted", "tls": "verify", "domains": ["reload-trust.test"], "on_failure": "defer"}
    one = relay(partners=[rule], tls={"trust": roots}, delivery={"idle_connection": "1m"})
    send = lambda words: one.submit("a@home.test", "b@reload-trust.test", f"Subject: {words}\r\n\r\nx\r\n")
    one.wait_gone(send("proven"))
    one.wait_gone(send("by the connection that is open"))

    roots.write_bytes(other_root.read_bytes())
    assert one.reload_with()["event"] == "reloaded"
    assert one.events("trust_changed")[-1]["roots"] == 1
    entry = one.wait_deferred(send("not proven"))
    assert "Trusted" in entry["reason"], entry

    for wrong, words in [(b"no certificate\n", "holds no certificate"), (None, "")]:
        roots.unlink() if wrong is None else roots.write_bytes(wrong)
        said = one.reload_with()
        findings = " ".join(event["finding"] for event in one.events("configuration"))
        assert said["event"] == "reload_refused", said
        assert all(word in said["why"] + findings for word in ("trust", str(roots), words)), (said, findings)
    roots.write_bytes(lab.trust_file.read_bytes())
    assert one.reload_with()["event"] == "reloaded"
    one.wait_gone(entry["id"], 30)


def test_T52_another_file_of_roots_is_let_in_when_somebody_answers_for_it(lab, relay, other_root):
    lab.change("reload-roots")
    rule = {"name": "Rooted", "tls": "verify", "domains": ["reload-roots.test"], "on_failure": "defer"}
    one = relay(partners=[rule])
    send = lambda words: one.submit("a@home.test", "b@reload-roots.test", f"Subject: {words}\r\n\r\nx\r\n")
    assert one.reload_with(tls={"trust": other_root})["event"] == "reloaded"
    assert [e["setting"] for e in one.events("rule_changed") if e.get("held")] == ["tls.trust"]
    one.wait_gone(send("by the former roots"))
    entry = {"settings": ["tls.trust"], "date": Bare(utc_day()), "reason": "a test", "approved_by": "ciso@home.test"}
    assert one.reload_with(weaker=[entry])["event"] == "reloaded"
    one.wait_deferred(send("by the others"))


def test_T52_mail_that_waits_goes_by_changed_routes(lab, relay, tmp_path):
    """Added, changed and removed: what waits is on its new way at once, and no less has to be proven there."""
    lab.change_all({"name": "reload-stuck", "peer": "script", "script": LATER}, {"name": "reload-way"}, {"name": "reload-false", "certificate": "other-name"})
    one = relay(delivery={"retry": ["1h"], "lifetime": "5d"})
    first = one.submit("a@home.test", "b@reload-stuck.test", "Subject: first\r\n\r\nx\r\n")
    one.wait_deferred(first)
    way = {"domain": "reload-stuck.test", "relay": "[mx1.reload-way.test]:25", "tls": "verify"}

    said = one.reload_with(route=[{**way, "relay": "[mx1.reload-false.test]:25"}])
    assert said["event"] == "reloaded" and said["changed"] == "route.domain, route.relay, route.tls"
    entry = one.wait_deferred(first, attempts=2)
    assert entry["next_hop"] == "[mx1.reload-false.test]:25" and not lab.mail_of("reload-false.test")

    one.reload_with(route=[{**way, "credentials": tmp_path / "nothing.toml"}])
    assert one.events("reload_refused") and one.queue(first)[0]["next_hop"] == "[mx1.reload-false.test]:25"

    one.settings["route"] = []
    one.reload_with(route=[way])
    one.wait_gone(first)
    (event,) = one.events("delivered", id=first)
    assert event["mx"] == "mx1.reload-way.test" and event["verified"] == "verified"

    one.reload_with(route=[{**way, "tls": "encrypt"}])
    assert [e["setting"] for e in one.events("rule_changed") if e.get("held")] == ["route"]
    second = one.submit("a@home.test", "b@reload-stuck.test", "Subject: second\r\n\r\nx\r\n")
    one.wait_gone(second)
    assert "route" in one.events("delivered", id=second)[0]["policy"]

    one.reload_with(route=[])
    third = one.submit("a@home.test", "b@reload-stuck.test", "Subject: third\r\n\r\nx\r\n")
    assert one.wait_deferred(third)["next_hop"] == "reload-stuck.test"
    assert not one.events("reload_partial")


def test_T52_mail_that_an_operator_sent_another_way_stays_there(lab, relay):
    lab.change_all({"name": "reload-kept", "peer": "script", "script": LATER}, {"name": "reload-else", "certificate": "other-name"})
    one = relay(delivery={"retry": ["1h"], "lifetime": "5d"})
    id = one.submit("a@home.test", "b@reload-kept.test", "Subject: x\r\n\r\nx\r\n")
    one.wait_deferred(id)
    assert one.command("queue", "reroute", id, "--to", "[mx1.reload-else.test]:25").returncode == 0
    one.wait_deferred(id, attempts=2)
    one.reload_with(route=[{"domain": "*", "relay": "[mx1.reload-way.test]:25", "tls": "verify"}])
    assert wait_for(lambda: one.events("routes_changed"), 10)
    assert one.queue(id)[0]["next_hop"] == "[mx1.reload-else.test]:25"


def test_T52_reload_says_what_changed_what_stays_and_what_waits(lab, relay):
    rule = {"name": "Told", "tls": "verify", "domains": ["reload-told.test"]}
    one = relay(partners=[rule])
    quiet = json.loads(one.command("--json", "reload").stdout)
    assert quiet == {"reloaded": True, "config": str(one.config), "partners": 1} | {key: [] for key in ("findings", "changed", "rules", "held", "restart")}

    one.change(delivery={"retry": ["7m"]}, tls_rpt={"organization": "Another"})
    done = one.command("reload")
    assert done.returncode == 0 and "waits for a restart:\n  - tls_rpt.organization" in done.stdout, done.stdout
    assert "changed keys:\n  - delivery.retry" in done.stdout and "1 partner rule in force" in done.stdout

    one.write_partners([{**rule, "tls": "encrypt"}])
    answer = one.ask("reload")
    assert len(answer["held"]) == 1 and answer["held"][0].startswith("rule Told: ") and not answer["rules"], answer
    one.write_partners([{**rule, "domains": ["reload-told.test", "reload-too.test"]}])
    assert [entry.partition(":")[0] for entry in one.ask("reload")["rules"]] == ["Told"]

    one.change(delivery={"retry": ["soon"]})
    done = one.command("reload")
    assert done.returncode == 78 and done.stdout.startswith("not reloaded: "), done
    assert "delivery.retry" in done.stdout.partition("found in the files:")[2]
    assert [len(one.events(name)) for name in ("reloaded", "reload_refused")] == [4, 1]


def test_T52_many_who_ask_at_once_are_each_told_of_a_reload_that_began_after(lab, relay):
    one = relay()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: one.ask("reload"), range(8)))
    assert all(answer["reloaded"] for answer in told)
    assert 1 <= len(one.events("reloaded")) <= 8

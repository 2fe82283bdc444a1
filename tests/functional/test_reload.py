# SPDX-License-Identifier: Apache-2.0
"""T-52: what changes without a restart: for mail that waits already, and all of it or nothing."""

import datetime

from lab.world import wait_for

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

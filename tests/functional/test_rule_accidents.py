# SPDX-License-Identifier: Apache-2.0
"""Files of rules have accidents; the floor they laid has none. Reloads, starts and what `check` says of it beforehand."""

import json
import os
import shutil
import time

import pytest
from lab.world import wait_for
from load import Load
from relay import Bare, Relay, RelayError, replace, to_toml, utc_day

RULE = {"name": "Encrypt", "tls": "encrypt", "domains": ["clear.test"], "on_failure": "defer"}
OTHER = {"name": "Other", "tls": "encrypt", "domains": ["elsewhere.test"], "on_failure": "defer"}


@pytest.fixture
def relay(lab, tmp_path):
    made = []

    def make(partners=(RULE,), **settings):
        made.append(Relay(lab, tmp_path / f"r{len(made)}", partners=list(partners), **settings))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def is_held(one: Relay):
    """Mail to the partner waits: its host offers no TLS."""
    entry = one.wait_deferred(one.submit("a@home.test", "b@clear.test", "Subject: x\r\n\r\nx\r\n"))
    assert "Encrypt" in entry["reason"], entry
    one.command("queue", "remove", entry["id"])


def goes(one: Relay):
    one.wait_gone(one.submit("a@home.test", "b@clear.test", "Subject: x\r\n\r\nx\r\n"))


def heard(one: Relay, name: str, count: int = 1):
    assert wait_for(lambda: len(one.events(name)) >= count, 15, 0.1), one.last_words()


def causes(one: Relay) -> list[str]:
    return [t["cause"] for t in one.ask("status")["troubles"]]


def reloaded(one: Relay):
    before = len(one.events("reloaded"))
    one.reload()
    heard(one, "reloaded", before + 1)


def empty(path):
    path.write_text("")


def comments(path):
    path.write_text("# nothing\n")


def directory(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to("/no/such/file")


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("accident", [empty, comments, directory, dangling, pipe])
@pytest.mark.parametrize("what", ["partner file", "configuration"])
def test_T52_a_file_that_is_lost_lowers_nothing(relay, what, accident):
    one = relay().start()
    path = one.policies / "partners.toml" if what == "partner file" else one.config
    kept = path.read_text()
    socket = one.settings["control"]["socket"]
    accident(path)
    one.reload()
    heard(one, "reload_refused")
    assert str(path) in one.events("configuration")[0]["finding"]
    checked = one.command("check")
    assert checked.returncode == 78 and str(path) in checked.stderr
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    path.write_text(kept)
    is_held(one)
    one.stop()
    path.unlink()
    path.write_text("")
    with pytest.raises(RelayError, match="ended with 78"):
        one.start()
    assert socket


def test_T52_an_empty_folder_of_rules_starts_nothing(relay):
    one = relay().start()
    (one.policies / "partners.toml").unlink()
    one.reload()
    heard(one, "reload_refused")
    is_held(one)
    one.stop()
    with pytest.raises(RelayError, match="ended with 78"):
        one.start()


def without_policies(one: Relay):
    one.config.write_text(one.config.read_text().replace(f'[policies]\ndirectory = "{one.policies}"\n', ""))
    assert "[policies]" not in one.config.read_text()


def fewer(one: Relay):
    one.write_partners([OTHER])


def renamed(one: Relay):
    replace(one.policies / "other.toml", to_toml({"partner": [{**OTHER, "name": "Third", "domains": ["third.test"]}]}))
    (one.policies / "partners.toml").rename(one.policies / "partners.toml.off")


def on_trial(one: Relay):
    one.write_partners([{**RULE, "mode": "audit"}, OTHER])


@pytest.mark.parametrize("accident", [without_policies, fewer, renamed, on_trial])
def test_T52_less_is_held_at_reload_and_start_until_a_file_says_so(relay, accident):
    one = relay(partners=[RULE, OTHER]).start()
    accident(one)
    checked = one.command("check")
    assert checked.returncode == 1 and "not let in" in checked.stdout and '"Encrypt"' in checked.stdout, checked
    reloaded(one)
    changed = [e for e in one.events("rule_changed") if e.get("partner") == "Encrypt"]
    assert "TLS is no longer required" in changed[0]["weaker"] and changed[0]["held"].startswith("yes")
    assert "weaker rules" in causes(one)
    is_held(one)
    one.restart()  # a deployment that has lost its rules is no first start
    assert "weaker rules" in causes(one)
    is_held(one)
    one.kill()
    one.start()
    is_held(one)
    entry = {"partners": ["Encrypt", "Other"], "removed": True, "date": Bare(utc_day()), "reason": "ended", "approved_by": "ciso@home.test"}
    one.config.write_text(one.config.read_text() + to_toml({"weaker": [entry]}))
    assert one.command("check").returncode == 0
    reloaded(one)
    assert "weaker rules" not in causes(one)
    goes(one)
    history = one.ask("policy", "history", "Encrypt")["changes"]
    assert any(c.get("held") for e in history for c in e["changes"])
    assert history[-1]["changes"][0]["approved_by"] == "ciso@home.test"
    assert "approved by ciso@home.test" in one.command("policy", "history").stdout


def test_T52_what_asks_for_more_goes_in_beside_what_is_held(relay):
    one = relay(partners=[OTHER]).start()
    one.write_partners([RULE])
    reloaded(one)
    is_held(one)
    listed = {p["name"] for p in one.ask("policy", "list")["partners"]}
    assert listed == {"Encrypt", "Other"}


def test_T52_settings_are_held_too(relay):
    one = relay().start()
    one.config.write_text(one.config.read_text() + "[mta_sts]\nenabled = false\n[dane]\nenabled = false\n")
    reloaded(one)
    held = {e.get("setting") for e in one.events("rule_changed") if e.get("held")}
    assert held == {"mta_sts.enabled", "dane.enabled"}
    trace = " ".join(one.explain("x@sts-enforce.test")["trace"] + one.explain("x@sts-enforce.test")["hosts"][0]["trace"])
    assert "switched off" not in trace
    one.restart()
    assert "weaker rules" in causes(one)


def test_T52_a_record_that_cannot_be_read_holds_all_mail_and_its_removal_is_a_first_start(relay):
    one = relay().start()
    one.stop()
    for name in ("current.json", "copy.json"):
        path = one.data / "rules-in-force" / name
        path.write_text(path.read_text()[:-40])
    one.start()
    assert "record of rules in force" in causes(one)
    entry = one.wait_deferred(one.submit("a@home.test", "b@selfsigned.test", "Subject: x\r\n\r\nx\r\n"))
    assert "record of the rules in force" in entry["reason"]
    one.stop()
    shutil.rmtree(one.data / "rules-in-force")
    one.start()
    one.wait_gone(entry["id"])


def test_T52_reloads_in_a_storm_run_one_by_one_and_fail_nobody(lab, relay):
    """200 signals, half of them with broken files; then one good set, and it holds."""
    one = relay(partners=[OTHER]).start()
    lab.change("reloaded", peer="script", keep_transcript=False)
    load = Load(one, "reloaded.test", threads=2, pause=0.01).start()
    for n in range(220):
        one.write_partners([OTHER] if n % 2 else [{**OTHER, "tls": "nonsense"}])
        one.reload()
        if n % 5 == 0:
            time.sleep(0.05)
    one.write_partners([OTHER, RULE])
    one.reload()
    load.stop()
    assert load.refused == 0 and load.unknown == 0
    assert wait_for(lambda: {p["name"] for p in one.ask("policy", "list")["partners"]} == {"Encrypt", "Other"}, 30, 0.2)
    is_held(one)


def test_check_says_what_a_start_would_stumble_over(relay, tmp_path):
    one = relay()
    text = one.config.read_text()
    one.config.write_text(text.replace(str(one.log), str(tmp_path / "no" / "such" / "x.log")))
    checked = one.command("--json", "check")
    assert checked.returncode == 78
    assert any(f["key"] == "log.file" and "cannot be written" in f["message"] for f in json.loads(checked.stdout)["findings"])

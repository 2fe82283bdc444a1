# SPDX-License-Identifier: Apache-2.0
"""What commands answer with --json is what docs/json/answers.schema.json says: nothing else, and nothing less.

SEALPOST_CHECK_ANSWERS=1 does the same for every answer that any functional test asks a relay for (relay.py).
"""

import json
import subprocess

import answers
import pytest
from lab.world import wait_for
from relay import BINARY, Relay, utc_day

MESSAGE = "From: a@home.test\r\nSubject: x\r\n\r\nx\r\n"
SCHEMAS = answers.Answers()


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change("answers", peer="script", script=[{"at": "rcpt", "reply": "451 4.7.1 come back later"}])
    partners = [{"name": "Bank", "domains": ["clear.test"], "tls": "verify", "on_failure": "bounce", "grace": "4h"}]
    relay = Relay(lab, tmp_path_factory.mktemp("answers"), partners=partners, delivery={"retry": ["1h"], "lifetime": "5d"}, webhook=[{"name": "poll"}])
    relay.start()
    relay.wait_gone(relay.submit("a@home.test", "b@sts-enforce.test", MESSAGE))
    for n in range(4):
        relay.submit("a@home.test", f"b{n}@answers.test", MESSAGE)
    relay.submit("a@home.test", "b@clear.test", MESSAGE)
    assert wait_for(lambda: {e["state"] for e in relay.queue()} == {"deferred"}, 30, 0.2), relay.queue()
    yield relay
    relay.kill()


@pytest.mark.parametrize("words", [
    "queue list", "queue list --limit 1", "queue show --domain clear.test", "queue why", "queue summary", "queue summary --by reason",
    "queue hold --domain answers.test --yes", "queue release --domain answers.test --yes", "queue retry --domain clear.test --yes",
    "queue reroute --domain answers.test --to [mx1.answers.test]:26 --yes", "queue reroute --domain answers.test --as-configured --yes",
    "policy list", "policy readiness", "policy history", "policy diff", "policy diff --since 1d", "policy suggest", "policy explain x@sts-enforce.test", "policy explain x@clear.test",
    "policy explain x@nowhere.test", "policy probe sts-enforce.test", "policy replay --rule RULES", "sts show", "sts refresh sts-enforce.test",
    "dns show home.test", "dns check home.test", "report list", "report show --domain clear.test", "report list --received", "report alerts",
    "report aside", "report why clear.test", "status", "status --check", "clock show", "reload", "check", "check --against RULES", "user list",
    "webhook list", "webhook events poll", "webhook pause poll", "webhook resume poll", "evidence list", "evidence statement sts-enforce.test --month MONTH", "evidence verify", "trace --recipient b@sts-enforce.test",
])  # fmt: skip
def test_an_answer_is_as_it_is_written_down(one, words):
    words = ["--json", *words.replace("RULES", str(one.policies / "partners.toml")).replace("MONTH", utc_day()[:7]).split()]
    command = one.lab.command([BINARY, "--config", one.config, *words])
    said = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert said.stdout.strip(), said.stderr
    assert SCHEMAS.wrong(SCHEMAS.command(words), json.loads(said.stdout)) == []


@pytest.mark.parametrize("words", ["quue list", "queue show 01M8PGMBV33SF9D7YT32N56JRX", "queue retry", "policy readiness Nobody", "report list --csv"])
def test_an_error_is_one_object(one, words):
    said = one.lab.command([BINARY, "--config", one.config, "--json", *words.split()])
    said = subprocess.run(said, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    error = json.loads(said.stderr)
    assert SCHEMAS.wrong("error", error) == [] and error["exit_code"] == said.returncode and not said.stdout


def test_the_checker_finds_what_is_wrong():
    assert SCHEMAS.wrong("clock show", {"state": "believed", "system": "yesterday", "steps": "1", "new": 1})
    assert SCHEMAS.command(["--json", "queue", "list", "--limit", "5"]) == "queue list" and SCHEMAS.command(["quue"]) is None

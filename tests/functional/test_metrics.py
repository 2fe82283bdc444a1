# SPDX-License-Identifier: Apache-2.0
"""control.http: what Prometheus reads, and what probes are told."""

import contextlib
import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from lab.world import UNPACKED, wait_for
from relay import ROOT, Relay
from test_faults import SmallDisk

BIN = UNPACKED / "prometheus" / "usr" / "bin"
RULES = ROOT / "packaging" / "prometheus"
ports = itertools.count(9925)
MAIL = "Subject: x\r\n\r\nx\r\n"
needs_prometheus = pytest.mark.skipif(
    not (BIN / "promtool").exists(), reason="Prometheus is not unpacked: packaging/install-dependencies watch"
)


@pytest.fixture
def watched(relay):
    """A relay with control.http, and its address."""

    def start(**settings):
        control = {"http": f"127.0.0.1:{next(ports)}", **settings.pop("control", {})}
        return relay(control=control, **settings)

    return start


def port_of(one: Relay) -> int:
    return int(one.settings["control"]["http"].rpartition(":")[2])


def ask(one: Relay, path: str, method: str = "GET", address: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body."""
    with one.lab.connect(address, port_of(one), timeout=10) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), body


def metrics(one: Relay) -> dict[str, float]:
    """By name and labels, as they stand in the text."""
    status, text = ask(one, "/metrics")
    assert status == 200, text
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name not in samples, f"{name} stands there twice"
            samples[name] = float(value)
    return samples


def families(one: Relay) -> dict[str, tuple[str, str]]:
    """Type and help of each."""
    text = ask(one, "/metrics")[1]
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (.*)$", text, re.MULTILINE))
    assert helps.keys() == types.keys()
    return {name: (types[name], helps[name]) for name in helps}


def promtool(*words, text: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([BIN / "promtool", *words], input=text, capture_output=True, text=True, timeout=60)


def test_numbers_move_when_mail_does_and_status_says_the_same(watched, lab):
    lab.change("counted", peer="script", script=[{"at": "rcpt", "reply": "451 4.7.1 not yet"}])
    one = watched()
    before = metrics(one)
    one.wait_gone(one.submit("a@home.test", "b@sts-enforce.test", MAIL))
    one.wait_deferred(one.submit("a@home.test", "b@counted.test", MAIL))
    after = metrics(one)

    def grew(name):
        return after[name] - before[name]

    assert grew("sealpost_intake_messages_total") == 2 == grew("sealpost_intake_recipients_total")
    assert grew("sealpost_delivery_delivered_total") == 1
    assert grew("sealpost_delivery_deferred_total") >= 1
    assert grew('sealpost_delivery_verdicts_total{source="mta-sts",result="satisfied"}') == 1
    assert grew("sealpost_mta_sts_fetched_total") == 1 == grew("sealpost_mta_sts_fetch_seconds_count")
    for name in ("intake_acknowledgement", "delivery_age", "delivery_attempt", "delivery_handshake", "journal_sync", "dns_answer"):
        assert grew(f"sealpost_{name}_seconds_count") >= 1, name
        assert grew(f'sealpost_{name}_seconds_bucket{{le="+Inf"}}') == grew(f"sealpost_{name}_seconds_count"), name
    assert after["sealpost_queue_recipients"] == 1 and after["sealpost_taking_mail"] == 1
    assert after["sealpost_workers"] == after["sealpost_workers_answering"] >= 1

    same = {
        "sealpost_intake_messages_total": ("intake", "messages"),
        "sealpost_delivery_delivered_total": ("delivery", "delivered"),
        "sealpost_journal_messages_total": ("spool", "messages"),
        "sealpost_queue_recipients": ("queue", "recipients"),
        'sealpost_delivery_transport_total{transport="encrypted"}': ("delivery", "encrypted"),
        "sealpost_mta_sts_fetched_total": ("mta_sts", "fetched"),
        "sealpost_descriptors_limit": ("descriptors", "limit"),
        "sealpost_alerts_open": ("alerts", "open"),
    }
    status = one.ask("status")
    for name, (table, key) in same.items():
        assert after[name] == status[table][key], name
    lab.change("counted", script=[])


def test_T59_control_http_is_off_by_default_and_takes_no_commands(relay, watched, lab):
    plain = relay()
    with pytest.raises(OSError):
        lab.connect("127.0.0.1", 9925, timeout=1)
    assert "http" not in plain.ask("status")
    one = watched()
    assert ask(one, "/v1/status", "POST")[0] == 405
    assert ask(one, "/v1/queue.remove")[0] == 404
    assert ask(one, "/")[0] == 404
    assert ask(one, "/metrics", "HEAD") == (200, "")


def test_T59_another_machine_may_read_only_where_it_is_named(lab, tmp_path):
    refused = Relay(lab, tmp_path / "refused", control={"http": "0.0.0.0:9999"})
    checked = refused.command("check")
    assert checked.returncode != 0 and "http_allow" in checked.stdout + checked.stderr
    own = own_address(lab)
    one = Relay(lab, tmp_path / "one", control={"http": f"0.0.0.0:{next(ports)}", "http_allow": ["203.0.113.0/24"]})
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()
        assert ask(one, "/healthz")[0] == 200  # this machine by its loopback
        with one.lab.connect(own, port_of(one), timeout=5) as stranger, contextlib.suppress(ConnectionError):
            stranger.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert stranger.recv(1) == b""
        assert metrics(one)["sealpost_http_refused_total"] == 1


def own_address(lab) -> str:
    """Of the relay's machine, beside loopback."""
    with lab.entered():
        shown = subprocess.run(["ip", "-4", "-json", "address"], capture_output=True, text=True, check=True).stdout
    found = [a["local"] for link in json.loads(shown) for a in link["addr_info"] if not a["local"].startswith("127.")]
    assert found, "the relay has no other address than loopback"
    return found[0]


def test_readyz_says_no_in_words_while_the_relay_drains_and_healthz_yes(lab, tmp_path):
    one = Relay(lab, tmp_path / "relay", shutdown_grace="30s", control={"http": f"127.0.0.1:{next(ports)}"})
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()
        assert ask(one, "/healthz") == (200, "alive\n")
        assert wait_for(lambda: ask(one, "/readyz") == (200, "ready\n"), 10)  # a listener greets a moment earlier
        with one.client() as client:
            client.ehlo()
            client.mail("a@home.test")  # a transaction is waited for
            one.process.terminate()
            assert wait_for(lambda: ask(one, "/readyz")[0] == 503, 10)
            assert "stopping: no new mail is taken\n" in ask(one, "/readyz")[1]
            assert ask(one, "/healthz") == (200, "alive\n")
            assert metrics(one)["sealpost_taking_mail"] == 0


def test_D08_readyz_says_no_while_the_journal_takes_nothing(lab, tmp_path):
    one = SmallDisk(lab, tmp_path / "relay", control={"http": f"127.0.0.1:{next(ports)}"})
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()
        assert wait_for(lambda: ask(one, "/readyz")[0] == 200, 10) and metrics(one)["sealpost_journal_healthy"] == 1
        filler = Path(f"/proc/{one.process.pid}/root{one.data}/filler")
        fill(filler)
        assert wait_for(lambda: ask(one, "/readyz")[0] == 503, 20, 0.2)
        assert "journal: " in ask(one, "/readyz")[1]
        assert ask(one, "/healthz")[0] == 200
        assert metrics(one)["sealpost_journal_healthy"] == 0
        filler.unlink()
        assert wait_for(lambda: ask(one, "/readyz")[0] == 200, 20, 0.2)


def fill(file: Path):
    """All but a little of a small file system, which the relay writes on too."""
    step = 4 << 20
    with file.open("wb") as f, contextlib.suppress(OSError):
        for n in range(1000):
            os.posix_fallocate(f.fileno(), n * step, step)


def test_T27_slow_clients_take_no_descriptors_and_keep_nobody_out(watched, lab):
    one = watched()
    quiet = metrics(one)["sealpost_descriptors_open"]
    with contextlib.ExitStack() as stack:
        for n in range(1000):
            slow = stack.enter_context(lab.connect("127.0.0.1", port_of(one), timeout=20))
            with contextlib.suppress(OSError):
                slow.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        busy = metrics(one)
        assert busy["sealpost_descriptors_open"] <= quiet + 40
        assert busy["sealpost_http_gave_way_total"] > 0
        assert ask(one, "/healthz")[0] == 200
        one.submit("a@home.test", "b@sts-enforce.test", MAIL)


def test_T59_labels_do_not_grow_with_what_mail_is_for(watched, lab):
    one = watched()
    one.wait_gone(one.submit("a@home.test", "b@sts-enforce.test", MAIL))
    before = metrics(one).keys()
    for n in range(50):
        one.submit("a@home.test", f"b@unknown{n}.test", MAIL)

    def answered():
        now = metrics(one)
        return now["sealpost_delivery_deferred_total"] + now["sealpost_delivery_bounced_total"]

    assert wait_for(lambda: answered() >= 50, 30, 0.1)
    after = metrics(one)
    assert after.keys() == before
    assert not [name for name in after if "unknown" in name or "127.0.0.1" in name]


def test_docs_monitoring_lists_every_metric(watched):
    one = watched()
    rows = re.findall(r"^\| `(sealpost_\w+)`[^|]* \| (\w+) \| (.*) \|$", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE)
    assert {name: (kind, help) for name, kind, help in rows} == families(one)


@needs_prometheus
def test_promtool_finds_nothing_to_say_of_the_metrics(watched):
    one = watched()
    checked = promtool("check", "metrics", text=ask(one, "/metrics")[1])
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@needs_prometheus
def test_the_alert_rules_are_sound_and_fire_when_they_must():
    checked = promtool("check", "rules", RULES / "sealpost.rules.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", RULES / "sealpost.rules.test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_alert_rules_and_dashboard_name_what_there_is(watched):
    there = families(watched()).keys()
    for file in ("sealpost.rules.yml", "sealpost.rules.test.yml", "sealpost.dashboard.json"):
        named = set(re.findall(r"\bsealpost_\w+", (RULES / file).read_text()))
        assert named and {re.sub("_bucket$", "", name) for name in named} <= there, file
    for expression in expressions(json.loads((RULES / "sealpost.dashboard.json").read_text())):
        assert expression.count("(") == expression.count(")"), expression


def expressions(dashboard: dict) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


@needs_prometheus
def test_a_real_prometheus_reads_the_relay_and_the_rules(watched, lab, tmp_path):
    one = watched()
    (tmp_path / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{RULES}/sealpost.rules.yml']\n"
        f"scrape_configs: [{{job_name: sealpost, static_configs: [{{targets: ['127.0.0.1:{port_of(one)}']}}]}}]\n"
    )
    command = [BIN / "prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
               "--web.listen-address=127.0.0.1:9990"]  # fmt: skip
    with open(tmp_path / "prometheus.log", "wb") as log:
        process = subprocess.Popen(lab.command(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        assert wait_for(lambda: value_of(lab, "sealpost_taking_mail") == "1", 30, 0.5), (tmp_path / "prometheus.log").read_text()
        one.wait_gone(one.submit("a@home.test", "b@sts-enforce.test", MAIL))
        assert wait_for(lambda: value_of(lab, "sealpost_delivery_delivered_total") == "1", 10, 0.5)
        assert value_of(lab, "count(up==1)") == "1"
        for expression in expressions(json.loads((RULES / "sealpost.dashboard.json").read_text())):
            plain = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert prometheus(lab, plain).get("status") == "success", expression
    finally:
        process.kill()
        process.wait()


def prometheus(lab, query: str) -> dict:
    """What Prometheus answers; nothing while it does not."""
    try:
        with lab.connect("127.0.0.1", 9990, timeout=5) as connection:
            connection.sendall(f"GET /api/v1/query?query={quote(query)} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
    except OSError:
        return {}
    body = answer.partition(b"\r\n\r\n")[2]
    return json.loads(body) if body.startswith(b"{") else {}


def value_of(lab, query: str) -> str | None:
    """The one value that answers it; None: none does."""
    result = prometheus(lab, query).get("data", {}).get("result", [])
    return result[0]["value"][1] if len(result) == 1 else None

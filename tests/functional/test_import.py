# SPDX-License-Identifier: Apache-2.0
"""Rules of other systems, imported: what they demanded there is what a relay demands of real hosts, and what could not be carried
over is said. The samples in imports/ are as the systems write them."""

import json
import shutil
import subprocess
import tomllib

import answers
import pytest
from relay import BINARY, ROOT, Relay

SAMPLES = ROOT / "tests" / "functional" / "imports"
SCHEMAS = answers.Answers()
FORMATS = {
    "tls_policy": "postfix",
    "connectors.json": "m365",
    "connectors.csv": "m365",
    "google_list.csv": "google",
    "google_list.txt": "google",
    "destinations.txt": "cisco",
    "rules.csv": "csv",
}


def sealpost(*words) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def rules_of(answer: dict) -> list[dict]:
    return tomllib.loads(answer["toml"])["partner"]


@pytest.fixture(scope="module")
def relay(lab, tmp_path_factory):
    one = Relay(lab, tmp_path_factory.mktemp("import")).start()
    yield one
    one.kill()


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_becomes_a_file_that_check_takes(name, tmp_path):
    made = tmp_path / "made.toml"
    said = sealpost("policy", "import", FORMATS[name], SAMPLES / name, "--output", made)
    assert said.returncode == 1 and not said.stdout, said.stderr
    assert "not in force" in said.stderr and (made.stat().st_mode & 0o777) == 0o644
    checked = sealpost("check", made)
    assert checked.returncode == 0, checked.stderr
    # On standard output it is the same, and for programs too.
    assert sealpost("policy", "import", FORMATS[name], SAMPLES / name).stdout == made.read_text()
    said = sealpost("--json", "policy", "import", FORMATS[name], SAMPLES / name)
    answer = json.loads(said.stdout)
    assert SCHEMAS.wrong("policy import", answer) == [] and said.returncode == 1 and not said.stderr
    assert answer["toml"] == made.read_text() and not answer["complete"] and answer["rules"] == len(rules_of(answer))
    assert any(remark["line"] for remark in answer["remarks"]) != (name == "google_list.txt")  # a list says nothing of single lines


def test_what_is_carried_over_whole_ends_with_0(tmp_path):
    table = tmp_path / "tls_policy"
    table.write_text("noord.test encrypt\nzuid.test secure match=mx.zuid.test\n")
    said = sealpost("--json", "policy", "import", "postfix", table, "--owner", "ciso@home.test", "--reference", "migration 1", "--audit")
    answer = json.loads(said.stdout)
    assert said.returncode == 0 and answer["complete"] and answer["remarks"] == []
    assert [(r["owner"], r["reference"], r["mode"]) for r in rules_of(answer)] == [("ciso@home.test", "migration 1", "audit")] * 2


def test_a_file_is_not_written_over_and_never_into_the_rules_in_force(relay, tmp_path):
    made = tmp_path / "made.toml"
    words = ("policy", "import", "cisco", SAMPLES / "destinations.txt", "--output")
    made.write_text("mine\n")
    said = sealpost(*words, made)
    assert said.returncode == 73 and "is there already" in said.stderr and made.read_text() == "mine\n"
    assert sealpost(*words, made, "--replace").returncode == 1 and made.read_text().startswith("# Partner rules made of")
    before = sorted(relay.policies.iterdir())
    (tmp_path / "way").symlink_to(relay.policies)
    for place in (relay.policies / "imported.toml", tmp_path / "way" / "imported.toml", relay.policies / ".." / "policies" / "x.toml"):
        said = sealpost("--config", relay.config, *words, place)
        assert said.returncode == 73 and "folder of the rules in force" in said.stderr, said.stderr
    assert sorted(relay.policies.iterdir()) == before
    assert sealpost(*words, tmp_path).returncode == 73
    said = sealpost(*words, tmp_path / "nowhere" / "made.toml")
    assert said.returncode == 73 and "No such file" in said.stderr


def test_what_cannot_be_read_says_why(tmp_path):
    def told(format: str, octets: bytes) -> str:
        (tmp_path / "file").write_bytes(octets)
        said = sealpost("policy", "import", format, tmp_path / "file")
        assert said.returncode == 65 and not said.stdout, said.stderr
        return said.stderr

    assert "looks like Microsoft 365 connectors" in told("postfix", (SAMPLES / "connectors.json").read_bytes())
    assert "looks like a Postfix TLS policy table" in told("google", (SAMPLES / "tls_policy").read_bytes())
    assert "line 2: is no text" in told("csv", b"domains,tls\n\x00\x01\n")
    assert "line 2: a quoted cell begins here" in told("csv", b'domains,tls\n"b.test,encrypt\n')
    assert "line 1: is neither [domain]" in told("cisco", b"hello\n")
    assert "makes more than 20000 rules, or names more than 50000 domains" in told("google", b"\n".join(b"%d.test" % n for n in range(30_000)))
    (tmp_path / "file").write_bytes(b"b.test\n" * 1_300_000)
    said = sealpost("policy", "import", "google", tmp_path / "file")
    assert said.returncode == 66 and "is longer than 8 MiB" in said.stderr
    (tmp_path / "file").write_bytes(b"")
    said = sealpost("policy", "import", "postfix", tmp_path / "file")
    assert said.returncode == 65 and "is empty" in said.stderr
    assert sealpost("policy", "import", "postfix", tmp_path / "none").returncode == 66
    assert sealpost("policy", "import", "exim", tmp_path / "file").returncode == 64
    assert sealpost("policy", "import", "postfix", SAMPLES / "tls_policy", "--require", "tls").returncode == 64

    (tmp_path / "file").write_text("b.test fingerprint match=EC:3B:2D:B0:5B:B1:FB:6D:20:A3:9D:72:F6:8D:05:AA\n")
    made = tmp_path / "made.toml"
    said = sealpost("policy", "import", "postfix", tmp_path / "file", "--output", made)
    assert said.returncode == 1 and "line 1: b.test: left out" in said.stderr and "no rule came of 1 entry" in said.stderr
    assert not made.exists()


@pytest.mark.parametrize("name", ["tls_policy", "connectors.json", "google_list.csv", "destinations.txt", "rules.csv"])
def test_hosts_are_judged_as_the_source_demanded(relay, tmp_path, name):
    """clear.test offers no TLS, selfsigned.test a certificate of nobody's, partner-verify.test one that is right."""
    made = tmp_path / "made.toml"
    sealpost("policy", "import", FORMATS[name], SAMPLES / name, "--output", made)

    def passes(domain: str) -> bool:
        said = relay.command("--json", "policy", "probe", domain, "--rule", str(made))
        (host,) = json.loads(said.stdout)["hosts"]
        assert (said.returncode == 0) == (host["verdict"] != "refuse"), said.stdout
        return host["verdict"] == "deliver"

    assert passes("partner-verify.test")
    assert not passes("clear.test")
    strict = name == "destinations.txt"  # there it asks for a certificate
    if name != "rules.csv":  # there it is on trial
        assert passes("selfsigned.test") != strict


def test_imported_rules_are_explained_like_any_other(lab, tmp_path):
    made = tmp_path / "made.toml"
    sealpost("policy", "import", "postfix", SAMPLES / "tls_policy", "--output", made)
    relay = Relay(lab, tmp_path / "relay")
    shutil.copy(made, relay.policies / "imported.toml")
    relay.start()
    try:
        trace = relay.explain("x@partner-verify.test")["trace"]
        assert any("partner rule: 'partner-verify.test'" in line and "tls = verify" in line for line in trace), trace
        assert any("tls = dane" in line for line in relay.explain("x@dane.test")["trace"])
        assert any("tls = encrypt" in line for line in relay.explain("x@clear.test")["trace"])
    finally:
        relay.kill()

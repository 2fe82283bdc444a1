# SPDX-License-Identifier: Apache-2.0
"""Several certificates of ours (docs/own-certificates.md): openssl, curl and swaks ask for names, and verify what they are shown."""

import os
import re
import subprocess

import pytest
from raw import HELLO, MAIL, Raw, unverified
from relay import BINARY, ROOT, Relay, ports

RSA = ["-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256"]
ECDSA = ["-sigalgs", "ecdsa_secp256r1_sha256"]
EITHER = [*ECDSA[:1], "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:RSA+SHA256"]
DOORS = {"relay": ["-starttls", "smtp"], "submission": ["-starttls", "smtp"], "submissions": []}


def files(lab, directory, name: str, kind: str, host: str) -> dict:
    pem = directory / f"{name}.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate(kind, host, host.partition(".")[2]))
    return {"certificate": pem, "key": pem}


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    directory = tmp_path_factory.mktemp("own-certificates")
    doors = {mode: next(ports) for mode in ("submission", "submissions")}
    tls = {
        **files(lab, directory, "ecdsa", "good", "relay.home.test"),
        "also": [
            files(lab, directory, "rsa", "rsa", "relay.home.test"),
            files(lab, directory, "wild", "wildcard", "any.brand.test"),  # *.brand.test
            files(lab, directory, "whole", "rsa", "mail.brand.test"),
        ],
    }
    relay = Relay(lab, directory, listener=[{"address": f"127.0.0.1:{port}", "mode": mode} for mode, port in doors.items()], tls=tls)
    relay.doors = {"relay": relay.port, **doors}
    yield relay.start()
    relay.kill()


def shown(one, name: str, *more: str, door: str = "relay", expect: str = "") -> tuple[str, str]:
    """The names in the certificate that openssl is shown, and its kind of key; verified for `expect`, else for the name asked for."""
    asks = ["-servername", name] if name else ["-noservername"]
    verify = ["-verify_return_error", "-verify_hostname", expect or name, "-CAfile", one.lab.trust_file]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{one.doors[door]}", *DOORS[door], *asks, *verify, *more]
    done = subprocess.run(one.lab.command(command), input="QUIT\r\n", capture_output=True, text=True, timeout=30)
    assert "Verify return code: 0 (ok)" in done.stdout or "Verification: OK" in done.stdout, done.stdout + done.stderr
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.DOTALL)[0]
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, capture_output=True, text=True, check=True).stdout
    return re.search(r"DNS:(\S+?),?\s", text)[1], "RSA" if "rsaEncryption" in text else "EC"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_TLS_a_client_is_shown_the_name_that_it_asks_for(one, door, version):
    for name, expect, more, found in [
        ("", "relay.home.test", [], ("relay.home.test", "EC")),
        ("nobody.test", "relay.home.test", [], ("relay.home.test", "EC")),  # RFC 8461 §7.1
        ("relay.home.test", "", EITHER, ("relay.home.test", "EC")),
        ("relay.home.test", "", RSA, ("relay.home.test", "RSA")),
        ("", "relay.home.test", RSA, ("relay.home.test", "RSA")),
        ("nobody.test", "relay.home.test", RSA, ("relay.home.test", "RSA")),
        ("smtp.brand.test", "", [], ("*.brand.test", "EC")),
        ("SMTP.Brand.Test", "smtp.brand.test", [], ("*.brand.test", "EC")),
        ("mail.brand.test", "", RSA, ("mail.brand.test", "RSA")),
        ("mail.brand.test", "", ECDSA, ("*.brand.test", "EC")),
        ("a.b.brand.test", "relay.home.test", [], ("relay.home.test", "EC")),  # a wildcard is one label
        ("brand.test", "relay.home.test", [], ("relay.home.test", "EC")),
    ]:
        assert shown(one, name, version, *more, door=door, expect=expect) == found, (name, more)


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_a_session_is_of_the_name_it_began_with(one, tmp_path, version):
    def visit(name: str, *more) -> str:
        connect = ["-connect", f"127.0.0.1:{one.doors['submissions']}", "-servername", name, f"-{version}"]
        command = one.lab.command(["openssl", "s_client", *connect, *more])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            said = ""
            while "220 " not in said:  # tickets of TLS 1.3 have come by then
                line = process.stdout.readline()
                assert line, said
                said += line
            process.stdin.write("QUIT\r\n")
            process.stdin.close()
            return said + process.stdout.read()

    session = tmp_path / "session.pem"
    assert re.search("^New, ", visit("smtp.brand.test", "-sess_out", session), re.MULTILINE)
    assert re.search("^Reused, ", visit("smtp.brand.test", "-sess_in", session, "-sess_out", session), re.MULTILINE)
    assert re.search("^New, ", visit("imap.brand.test", "-sess_in", session), re.MULTILINE)
    assert re.search("^New, ", visit("relay.home.test", "-sess_in", session), re.MULTILINE)


def test_swaks_asks_for_a_name(one, tmp_path):
    seen = tmp_path / "seen.pem"
    command = ["swaks", "--server", f"127.0.0.1:{one.port}", "--ehlo", "client.home.test", "--tls", "--tls-sni", "smtp.brand.test",
               "--tls-get-peer-cert", seen, "--quit-after", "TLS"]  # fmt: skip
    done = subprocess.run(one.lab.command(command), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    text = subprocess.run(["openssl", "x509", "-in", seen, "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    assert "DNS:*.brand.test" in text


def test_reports_by_HTTPS_are_shown_the_same(lab, tmp_path):
    tls = {**files(lab, tmp_path, "own", "good", "relay.home.test"), "also": [files(lab, tmp_path, "reports", "rsa", "reports.home.test")]}
    port = next(ports)
    relay = Relay(lab, tmp_path, tls=tls, tls_rpt={"receive_http": f"0.0.0.0:{port}", "receive_url": "https://reports.home.test/tlsrpt"})
    relay.start()
    try:
        for name in ("reports.home.test", "relay.home.test"):
            where = ["--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/tlsrpt"]
            command = ["curl", "-sS", "--cacert", lab.trust_file, "-o", "/dev/null", "-w", "%{ssl_verify_result} %{http_code}", *where]
            done = subprocess.run(lab.command(command), capture_output=True, text=True, timeout=30)
            assert done.stdout.startswith("0 4"), (name, done)
    finally:
        relay.kill()


def test_T52_a_reload_takes_all_of_them_or_none(lab, relay, tmp_path):
    ours = files(lab, tmp_path, "own", "good", "relay.home.test")
    one = relay(tls=ours)
    one.doors = {"relay": one.port}
    assert shown(one, "mail.brand.test", expect="relay.home.test") == ("relay.home.test", "EC")
    with Raw(lab, one.port) as client:
        client.say(HELLO)
        client.starttls(unverified())
        assert client.say(HELLO).startswith("250")

        brand = files(lab, tmp_path, "brand", "good", "mail.brand.test")
        assert one.reload_with(tls={"also": [brand]})["event"] == "reloaded"
        assert shown(one, "mail.brand.test") == ("mail.brand.test", "EC")

        renewed = files(lab, tmp_path, "renewed", "rsa", "relay.home.test")
        broken = {**files(lab, tmp_path, "broken", "good", "other.brand.test"), "key": ours["key"]}
        assert one.reload_with(tls={**renewed, "also": [brand, broken]})["event"] == "reload_refused"
        assert shown(one, "", expect="relay.home.test") == ("relay.home.test", "EC")
        assert shown(one, "mail.brand.test") == ("mail.brand.test", "EC")
        checked = one.command("check")
        said = checked.stdout + checked.stderr
        assert checked.returncode == 78 and "tls.also" in said and "does not belong" in said

        assert one.reload_with(tls={**ours, "also": []})["event"] == "reloaded"
        assert shown(one, "mail.brand.test", expect="relay.home.test") == ("relay.home.test", "EC")
        assert client.say(MAIL).startswith("250")  # begun under the first


def test_the_end_of_each_is_foretold_and_seen(lab, relay, tmp_path):
    soon = files(lab, tmp_path, "soon", "ends-soon", "mail.brand.test")
    over = files(lab, tmp_path, "over", "expired", "old.brand.test")
    again = files(lab, tmp_path, "again", "good", "relay.home.test")
    tls = {**files(lab, tmp_path, "own", "good", "relay.home.test"), "also": [soon, over, again]}
    one = relay(tls=tls)
    checked = one.command("check")
    said = checked.stdout + checked.stderr
    assert checked.returncode == 78 and "over.pem expired on" in said and "soon.pem expires on" in said and "again.pem is shown to nobody" in said
    status = one.ask("status")
    listed = status["listener_certificate"]
    assert listed["file"] == str(over["certificate"]) and listed["fault"] == "date"
    assert [each["fault"] for each in listed["all"]] == ["", "soon", "date", "unused"]
    (trouble,) = [each for each in status["troubles"] if each["cause"] == "listener certificate"]
    assert "over.pem expired on" in trouble["what"] and "soon.pem expires on" in trouble["what"]


@pytest.mark.parametrize("client", ["certbot", "lego", "dehydrated", "acme.sh"])
def test_the_hook_for_ACME_clients_puts_a_new_certificate_into_force_or_nothing(lab, tmp_path, client):
    def made(name: str, kind: str = "rsa"):
        """As the client keeps it: the chain with the certificate first, and the key beside it."""
        live = tmp_path / name
        live.mkdir()
        blocks = re.findall(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\n?", lab.certificate(kind, "relay.home.test", "home.test").decode(), re.DOTALL)
        (live / "privkey.pem").write_text("".join(block for block in blocks if "PRIVATE KEY" in block))
        (live / "fullchain.pem").write_text("".join(block for block in blocks if "CERTIFICATE" in block))
        return live

    def hook(live, **more) -> subprocess.CompletedProcess:
        chain, key = str(live / "fullchain.pem"), str(live / "privkey.pem")
        words = {"dehydrated": ["deploy_cert", "relay.home.test", key, "-", chain, "-", "0"], "acme.sh": [chain, key]}.get(client, [])
        said = {"certbot": {"RENEWED_LINEAGE": str(live)}, "lego": {"LEGO_CERT_PATH": chain, "LEGO_CERT_KEY_PATH": key}}.get(client, {})
        environment = {**os.environ, "TO": str(pem["certificate"]), "SEALPOST": f"{BINARY} --config {relay.config}", **said}
        script = ROOT / "docs" / "examples" / "acme-hook"
        return subprocess.run(lab.command([script, *words]), env=environment, capture_output=True, text=True, timeout=60, check=False)

    pem = files(lab, tmp_path, "relay", "good", "relay.home.test")
    relay = Relay(lab, tmp_path, tls=pem)
    relay.doors = {"relay": relay.port}
    relay.start()
    try:
        assert shown(relay, "relay.home.test")[1] == "EC"
        mode = pem["certificate"].stat().st_mode
        done = hook(made("renewed"))
        assert done.returncode == 0, done
        assert shown(relay, "relay.home.test")[1] == "RSA" and pem["certificate"].stat().st_mode == mode
        before = pem["certificate"].read_bytes()
        mixed, other = made("mixed"), made("other", "good")
        (mixed / "privkey.pem").write_bytes((other / "privkey.pem").read_bytes())
        done = hook(mixed)
        assert done.returncode == 1 and "nothing was changed" in done.stderr and pem["certificate"].read_bytes() == before
        relay.config.write_text(relay.config.read_text() + "\n[nonsense]\n")  # now a reload is refused
        done = hook(made("late", "good"))
        assert done.returncode == 1 and "former certificate" in done.stderr and pem["certificate"].read_bytes() == before
        relay.kill()
        done = hook(made("down", "good"))
        assert done.returncode == 0 and "no relay runs" in done.stdout, done
    finally:
        relay.kill()
    assert not list(tmp_path.glob("*.new")) and not list(tmp_path.glob("*.former"))

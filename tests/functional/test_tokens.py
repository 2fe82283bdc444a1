# SPDX-License-Identifier: Apache-2.0
"""OAUTHBEARER and XOAUTH2: tokens of an issuer, verified here (docs/submission.md#tokens), from curl and octet by octet."""

import base64
import json
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from lab.world import wait_for
from raw import HELLO, Raw, unverified
from relay import Relay, ports

ANNA = "anna@home.test"


def url64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Issuer:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self, id: str) -> dict:
        numbers = self.key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": url64(numbers.x.to_bytes(32, "big")), "y": url64(numbers.y.to_bytes(32, "big"))}

    def token(self, account: str = ANNA, kid: str = "one", **changed) -> str:
        now = int(time.time())
        claims = {"iss": "https://login.home.test", "aud": "sealpost", "iat": now, "exp": now + 600, "scope": "smtp.send", "email": account, **changed}
        said = ".".join(url64(json.dumps(part).encode()) for part in ({"alg": "ES256", "kid": kid, "typ": "at+jwt"}, claims))
        r, s = utils.decode_dss_signature(self.key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{said}.{url64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    lab.change_all({"name": "accounts"})
    directory = tmp_path_factory.mktemp("tokens")
    pem = directory / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", "relay.home.test", "home.test"))
    issuer = Issuer()
    keys = directory / "keys.json"
    keys.write_text(json.dumps({"keys": [issuer.jwk("one")]}))
    door, clear_door, proxied = next(ports), next(ports), next(ports)
    listeners = [
        {"address": f"127.0.0.1:{door}", "mode": "submissions"},
        {"address": f"127.0.0.1:{clear_door}", "mode": "submission"},
        {"address": f"127.0.0.1:{proxied}", "mode": "submissions", "proxy_protocol": ["127.0.0.0/8"]},
    ]
    oauth = {"issuer": "https://login.home.test", "audience": "sealpost", "keys": keys, "scope": "smtp.send"}
    relay = Relay(lab, directory, listener=listeners, tls={"certificate": pem, "key": pem}, auth={"oauth": oauth})
    relay.door, relay.clear_door, relay.proxied, relay.issuer, relay.keys = door, clear_door, proxied, issuer, keys
    for words in (("add", "closed@home.test", "--no-password"), ("disable", "closed@home.test")):
        assert relay.command("user", *words).returncode == 0
    yield relay.start()
    relay.kill()
    lab.remove("accounts")


networks = iter(range(250))


def say_token(one, token: str, mechanism: str = "OAUTHBEARER", as_whom: str = "") -> tuple[str, dict]:
    """The last answer, and what the challenge before it told; each time from another network."""
    message = f"n,{'a=' + as_whom if as_whom else ''},\1auth=Bearer {token}\1\1" if mechanism == "OAUTHBEARER" else f"user={as_whom}\1auth=Bearer {token}\1\1"
    header = f"PROXY TCP4 198.51.{next(networks)}.1 127.0.0.1 40000 465\r\n"
    with Raw(one.lab, one.proxied, first=header.encode(), tls=unverified()) as client:
        assert client.say(HELLO).startswith("250")
        answer = client.say(f"AUTH {mechanism} " + base64.b64encode(message.encode()).decode())
        if not answer.startswith("334 "):
            return answer, {}
        return client.say(base64.b64encode(b"\1")), json.loads(base64.b64decode(answer[4:]))


def test_T05_tokens_are_asked_for_inside_TLS_only(one):
    with Raw(one.lab, one.clear_door) as client:
        client.send(HELLO.encode() + b"\r\n")
        assert not any("AUTH" in line for line in client.lines())
        client.starttls(unverified())
        client.send(HELLO.encode() + b"\r\n")
        assert any(line.startswith("250-AUTH ") and " OAUTHBEARER XOAUTH2 PLAIN" in line for line in client.lines())


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl_logs_in_with_a_token_and_sends(one, mechanism):
    recipient = f"{mechanism.lower()}@accounts.test"
    message = one.directory / f"{mechanism}.eml"
    message.write_text(f"From: {ANNA}\r\nTo: {recipient}\r\nSubject: {mechanism}\r\n\r\nhi\r\n")
    curl = ["curl", "-sS", "-k", f"smtps://127.0.0.1:{one.door}", "--mail-from", ANNA, "--mail-rcpt", recipient, "--user", ANNA,
            "--oauth2-bearer", one.issuer.token(), "--login-options", f"AUTH={mechanism}", "-T", str(message)]  # fmt: skip
    done = subprocess.run(one.lab.command(curl), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: any(m.recipient == recipient for m in one.lab.mail_of("accounts.test")), 20, 0.1)


def test_a_token_that_is_expired_for_somebody_else_or_of_somebody_else_is_refused(one):
    good, stranger = one.issuer.token, Issuer()
    assert say_token(one, good())[0].startswith("235")
    assert say_token(one, good(), "XOAUTH2", ANNA)[0].startswith("235")
    bad = {
        "expired": good(exp=int(time.time()) - 300),
        "not yet": good(nbf=int(time.time()) + 300),
        "issuer": good(iss="https://login.other.test"),
        "audience": good(aud=["other"]),
        "key": stranger.token(),
        "key name": good(kid="two"),
        "closed": good("closed@home.test"),
        "no address": good("anna"),
    }
    for what, token in bad.items():
        answer, told = say_token(one, token)
        assert answer.startswith("535 5.7.8") and told["status"] == "invalid_token", what
    answer, told = say_token(one, good(scope="smtp.read"))
    assert answer.startswith("535 5.7.8") and told == {"status": "insufficient_scope", "schemes": "bearer", "scope": "smtp.send"}
    assert say_token(one, good(), as_whom="ceo@home.test")[0].startswith("535")
    assert say_token(one, "no token!")[0].startswith("501")


def test_T33_no_token_stands_in_a_log(one):
    token = one.issuer.token(exp=1)
    assert say_token(one, token, as_whom="logged@home.test")[0].startswith("535")
    assert wait_for(lambda: bool(one.events("auth_failed", user="logged@home.test")), 10, 0.1)
    for part in token.split("."):
        assert part not in one.log.read_text() and part not in (one.directory / "sealpost.out").read_text()


def test_a_reload_reads_the_keys_again(one):
    """Last here: the issuer has other keys afterwards."""
    former, one.issuer = one.issuer, Issuer()
    one.keys.write_text(json.dumps({"keys": [one.issuer.jwk("one")]}))
    assert say_token(one, one.issuer.token())[0].startswith("535")
    assert one.reload_with()["event"] == "reloaded"
    assert say_token(one, one.issuer.token())[0].startswith("235")
    assert say_token(one, former.token())[0].startswith("535")
    one.keys.write_text("{}")
    assert one.reload_with()["event"] == "reload_refused"
    assert say_token(one, one.issuer.token())[0].startswith("235")

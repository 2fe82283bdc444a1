# SPDX-License-Identifier: Apache-2.0
"""Smart hosts (docs/smart-hosts.md): our own submission ports, Exim and Postfix as the relay that mail is sent through, on 587 and 465,
and what happens when they do not let us in."""

import base64
import json

import pytest
from drivers import SMART_HOSTS, SMART_WAYS
from lab.world import wait_for
from relay import Relay, ports
from test_submission import PASSWORD, WRONG, add_user

OURS = "smart.home.test"  # both names lead to the relay's own machine; its certificate has the first one only
OTHER = "stranger.home.test"
ADDRESS = "44.128.254.2"
CASES = ("starttls", "implicit", "login", "several", "sender", "wrong", "unproven", "clear", "closed", "encrypt", "floor")
DOMAINS = {name: f"smart-{name}" for name in CASES}


def credentials(path, password: str = PASSWORD, user: str = "satellite", **more):
    path.touch(0o600)
    path.chmod(0o600)
    words = {"user": user, "password": password, **more}
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in words.items()))
    return path


@pytest.fixture(scope="module")
def pair(lab, tmp_path_factory):
    """The smart host, and the satellite that sends through it."""
    lab.change("home", records=[f"smart A {ADDRESS}", f"stranger A {ADDRESS}"])
    lab.change_all(*[{"name": name} for name in DOMAINS.values()])
    there = tmp_path_factory.mktemp("smarthost")
    pem = there / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", OURS, "home.test"))
    doors = {name: next(ports) for name in ("starttls", "implicit", "clear")}
    host = Relay(lab, there, tls={"certificate": pem, "key": pem}, listener=[
        {"address": f"{ADDRESS}:{doors['starttls']}", "mode": "submission"},
        {"address": f"{ADDRESS}:{doors['implicit']}", "mode": "submissions"},
        {"address": f"{ADDRESS}:{doors['clear']}", "mode": "relay", "allow": ["127.0.0.0/8"]},
    ])  # fmt: skip
    add_user(host, "satellite")
    here = tmp_path_factory.mktemp("satellite")
    good = credentials(here / "good.toml")
    starttls, implicit = f"[{OURS}]:{doors['starttls']}", f"[{OURS}]:{doors['implicit']}"

    def to(name: str, relay: str = starttls, **more) -> dict:
        return {"domain": f"{DOMAINS[name]}.test", "relay": relay, "credentials": good, **more}

    several = to("several", host=[
        {"address": f"[{OTHER}]:{doors['starttls']}", "preference": 5},
        {"address": starttls, "weight": 3},
    ])  # fmt: skip
    del several["relay"]
    routes = [
        to("starttls"),
        to("implicit", implicit, implicit_tls=True),
        to("login", credentials=credentials(here / "login.toml", mechanisms=["LOGIN"])),
        several,
        {**to("sender"), "domain": "*", "senders": ["@routed.home.test"], "name": "by sender"},
        to("wrong", credentials=credentials(here / "wrong.toml", WRONG)),
        to("unproven", f"[{OTHER}]:{doors['starttls']}"),
        to("clear", f"[{OURS}]:{doors['clear']}"),
        to("closed", f"[{OURS}]:{doors['implicit']}", implicit_tls=False),
        to("encrypt", f"[{OTHER}]:{doors['starttls']}", tls="encrypt"),
        to("floor"),
    ]
    partners = [{"name": "Pinned", "tls": "pin", "domains": [f"{DOMAINS['floor']}.test"], "pins": ["00" * 32], "on_failure": "defer"}]
    satellite = Relay(lab, here, route=routes, partners=partners, delivery={"timeouts": {"greeting": "2s"}})
    host.start()
    yield satellite.start(), host
    satellite.kill()
    host.kill()
    lab.remove(*DOMAINS.values())
    lab.change("home", records=None)


def arrived(lab, name: str):
    domain = f"{DOMAINS[name]}.test"
    assert wait_for(lambda: bool(lab.mail_of(domain)), 20, 0.1), name
    return lab.mail_of(domain)[0]


def logins(host) -> list[dict]:
    return host.events("authenticated") + host.events("auth_failed")


@pytest.mark.parametrize("name, mechanism", [("starttls", "SCRAM-SHA-256-PLUS"), ("implicit", "SCRAM-SHA-256-PLUS"), ("login", "LOGIN"), ("several", "SCRAM-SHA-256-PLUS")])
def test_mail_goes_through_a_smart_host_that_has_proven_itself(lab, pair, name, mechanism):
    satellite, host = pair
    before = len(host.events("authenticated"))
    id = satellite.submit("anna@home.test", f"bob@{DOMAINS[name]}.test", f"From: <anna@home.test>\r\nSubject: {name}\r\n\r\nhi\r\n")
    satellite.wait_gone(id)
    mail = arrived(lab, name)
    assert "with ESMTPSA" in mail.octets.decode()
    (event,) = satellite.events("delivered", id=id)
    assert event["mx"] == OURS and event["verified"] == "verified" and f"partner:route {DOMAINS[name]}.test" in event["policy"]
    assert host.events("authenticated")[before:][-1]["mechanism"] == mechanism


@pytest.mark.parametrize("name, verdict", [("starttls", "deliver"), ("implicit", "deliver"), ("unproven", "refuse"), ("closed", "not reached")])
def test_a_probe_talks_to_a_smart_host_as_delivery_does(pair, name, verdict):
    """On a port that speaks TLS from the first octet it waited for a greeting in clear. No password is sent."""
    satellite, host = pair
    before = len(logins(host))
    done = satellite.command("--json", "policy", "probe", f"{DOMAINS[name]}.test")
    (shown,) = json.loads(done.stdout)["hosts"]
    assert shown["verdict"] == verdict, shown
    if verdict == "deliver":
        assert shown["starttls"] == "established" and OURS in shown["certificate"]["names"]
    assert len(logins(host)) == before


def test_a_route_for_senders_takes_their_mail_and_nobody_elses(lab, pair):
    satellite, host = pair
    recipient = f"bob@{DOMAINS['sender']}.test"
    direct = satellite.submit("anna@home.test", recipient, "From: <anna@home.test>\r\nSubject: direct\r\n\r\nhi\r\n")
    routed = satellite.submit("anna@routed.home.test", recipient, "From: <anna@home.test>\r\nSubject: routed\r\n\r\nhi\r\n")
    for id in (direct, routed):
        satellite.wait_gone(id)
    assert satellite.events("delivered", id=direct)[0]["mx"] == f"mx1.{DOMAINS['sender']}.test"
    assert satellite.events("delivered", id=routed)[0]["mx"] == OURS


def test_T31_a_password_that_is_refused_makes_mail_wait_and_is_a_trouble_until_it_is_right(lab, pair):
    satellite, host = pair
    ids = [satellite.submit("anna@home.test", f"bob{i}@{DOMAINS['wrong']}.test", f"Subject: {i}\r\n\r\nhi\r\n") for i in range(5)]
    entry = satellite.wait_deferred(ids[0], attempts=2)
    assert "4.7.8" in json.dumps(satellite.events("deferred", id=ids[0])) and "535" in entry["reason"]
    assert len([e for e in host.events("auth_failed")]) == 1  # not once for each message and attempt
    assert not satellite.events("bounced")
    causes = [t["cause"] for t in satellite.ask("status")["troubles"]]
    assert f"smart host of route '{DOMAINS['wrong']}.test'" in causes
    credentials(satellite.directory / "wrong.toml")
    satellite.reload()
    for id in ids:
        satellite.wait_gone(id)
    assert arrived(lab, "wrong")
    assert wait_for(lambda: not [t for t in satellite.ask("status")["troubles"] if DOMAINS["wrong"] in t["cause"]], 20, 0.1)


@pytest.mark.parametrize("name, words", [("unproven", "certificate"), ("clear", "does not offer AUTH"), ("closed", ""), ("floor", "pin")])
def test_no_password_leaves_before_TLS_has_proven_what_is_asked(lab, pair, name, words):
    satellite, host = pair
    before = len(logins(host))
    id = satellite.submit("anna@home.test", f"bob@{DOMAINS[name]}.test", f"Subject: {name}\r\n\r\nhi\r\n")
    entry = satellite.wait_deferred(id)
    assert words.lower() in entry["reason"].lower()
    assert len(logins(host)) == before
    assert not lab.mail_of(f"{DOMAINS[name]}.test")


def test_encrypt_is_for_who_says_so(lab, pair):
    satellite, host = pair
    id = satellite.submit("anna@home.test", f"bob@{DOMAINS['encrypt']}.test", "From: <anna@home.test>\r\nSubject: encrypt\r\n\r\nhi\r\n")
    satellite.wait_gone(id)
    assert satellite.events("delivered", id=id)[0]["mx"] == OTHER
    done = satellite.command("check")
    assert "'encrypt' shows the password" in done.stdout + done.stderr


def test_T05_no_password_is_in_log_queue_status_or_explanation(pair):
    satellite, host = pair
    said = satellite.log.read_text() + json.dumps(satellite.ask("status")) + json.dumps(satellite.queue())
    said += json.dumps(satellite.explain(f"bob@{DOMAINS['starttls']}.test")) + (satellite.directory / "sealpost.out").read_text()
    for secret in (PASSWORD, WRONG):
        assert secret not in said


@pytest.fixture(scope="module")
def others(lab, tmp_path_factory):
    """A satellite of Postfix and of Exim, on both ports, with a good password and a wrong one."""
    here = tmp_path_factory.mktemp("others")
    good, wrong = credentials(here / "good.toml"), credentials(here / "wrong.toml", WRONG)
    cases = [(peer, port) for peer in SMART_HOSTS for port in SMART_WAYS]
    lab.change_all(*[{"name": f"smart-{peer}", "peer": peer, "mx": ["submit1"]} for peer in SMART_HOSTS])
    routes = []
    for peer, port in cases:
        relay = f"[submit1.smart-{peer}.test]:{port}"
        routes.append({"domain": "*", "senders": [f"good{port}@{peer}.home.test"], "relay": relay, "credentials": good})
        routes.append({"domain": "*", "senders": [f"wrong{port}@{peer}.home.test"], "relay": relay, "credentials": wrong})
    one = Relay(lab, here, route=routes)
    yield one.start()
    one.kill()
    lab.remove(*[f"smart-{peer}" for peer in SMART_HOSTS])


@pytest.mark.parametrize("port", SMART_WAYS)
@pytest.mark.parametrize("peer", SMART_HOSTS)
def test_real_servers_as_smart_hosts(lab, others, peer, port):
    domain = f"smart-{peer}.test"
    word = f"through-{peer}-{port}"
    refused = others.submit(f"wrong{port}@{peer}.home.test", f"bob@{domain}", f"Subject: {word}-wrong\r\n\r\nhi\r\n")
    assert "535" in others.wait_deferred(refused)["reason"]
    id = others.submit(f"good{port}@{peer}.home.test", f"bob@{domain}", f"From: <a@home.test>\r\nSubject: {word}\r\n\r\nhi\r\n")
    others.wait_gone(id)
    assert wait_for(lambda: [m for m in lab.mail_of(domain) if f"Subject: {word}".encode() in m.octets], 20, 0.1)
    (mail,) = [m for m in lab.mail_of(domain) if word.encode() in m.octets]
    assert mail.protocol.lower() in ("esmtpsa",)
    (event,) = others.events("delivered", id=id)
    assert event["verified"] == "verified"
    assert not others.events("bounced")


def check(lab, directory, route: dict, text: str = "", mode: int = 0o600) -> str:
    directory.mkdir(exist_ok=True)
    file = directory / "credentials.toml"
    file.touch()
    file.write_text(text or f'user = "u"\npassword = {json.dumps(PASSWORD)}\n')
    file.chmod(mode)
    one = Relay(lab, directory, route=[{"domain": "*", "relay": "[smart.home.test]:587", "credentials": file, **route}])
    done = one.command("check")
    assert PASSWORD not in done.stdout + done.stderr
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("route, text, mode, says", [
    ({}, "", 0o644, "chmod o-rwx"),
    ({"credentials": "/nowhere/at/all"}, "", 0o600, "cannot be read"),
    ({"tls": "opportunistic"}, "", 0o600, "in clear"),
    ({}, 'user = "u"\n', 0o600, "password"),
    ({}, f'user = "u"\npassword = "{PASSWORD}', 0o600, "line 2"),
    ({}, f'user = "u"\npassword = "{PASSWORD}"\ntoken_file = "/x"\n', 0o600, "one of password and token_file"),
    ({}, f'user = "u"\npasword = "{PASSWORD}"\n', 0o600, "line 2: holds a key"),
    ({}, f'user = "u"\npassword = "{PASSWORD}"\nmechanisms = ["CRAM-MD5"]\n', 0o600, "unknown name"),
    ({"senders": ["no address"]}, "", 0o600, "no address"),
    ({"host": [{"address": "[a.test]:587"}]}, "", 0o600, "twice"),
])  # fmt: skip
def test_T51_bad_settings_are_told_with_place_and_remedy_and_without_the_password(lab, tmp_path, route, text, mode, says):
    assert says in check(lab, tmp_path / "relay", route, text, mode)


def test_a_token_comes_from_its_file_each_time(lab, tmp_path):
    """A scripted host with XOAUTH2: the token of the moment is said, and a file that is open to others stops it."""
    lab.change("smart-token", peer="script", ehlo_tls=["AUTH XOAUTH2"], script=[{"at": "other", "match": "XOAUTH2", "reply": "235 2.7.0 welcome"}])
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("first-token\n")
    file = tmp_path / "credentials.toml"
    file.touch(0o600)
    file.write_text(f'user = "u@x"\ntoken_file = "{token}"\n')
    route = {"domain": "*", "relay": "[mx1.smart-token.test]:25", "credentials": file}
    one = Relay(lab, tmp_path, route=[route])
    one.start()
    try:
        id = one.submit("anna@home.test", "bob@clear.test", "Subject: x\r\n\r\nhi\r\n")
        assert wait_for(lambda: bool(lab.sessions("mx1.smart-token.test")), 20, 0.1)
        one.wait_gone(id)
        token.chmod(0o644)
        again = one.submit("anna@home.test", "carol@exim-clear.test", "Subject: y\r\n\r\nhi\r\n")
        assert "open to others" in one.wait_deferred(again)["reason"]
    finally:
        one.kill()
    said = [c for s in lab.sessions("mx1.smart-token.test") for c in s.commands if c.startswith("AUTH")]
    assert said == ["AUTH XOAUTH2 " + base64.b64encode(b"user=u@x\1auth=Bearer first-token\1\1").decode()]
    lab.remove("smart-token")

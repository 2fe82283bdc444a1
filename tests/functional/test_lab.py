# SPDX-License-Identifier: Apache-2.0
"""The lab is what README.md says it is. Were it not, every other functional test would prove nothing."""

import os
import signal
import smtplib
import ssl
import subprocess
import time

import dns.flags
import dns.rcode
import pytest
from lab import addresses, namespaces
from lab.certificates import KINDS
from lab.table import Table, TableError
from lab.world import Lab, wait_for


def answer(lab, name, kind, **options):
    response = lab.resolve(name, kind, **options)
    texts = sorted(r.to_text() for rrset in response.answer for r in rrset if dns.rdatatype.to_text(rrset.rdtype) == kind)
    return dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), texts


@pytest.mark.parametrize(
    "name, kind, rcode, ad, count",
    [
        ("sts-enforce.test", "MX", "NOERROR", True, 1),
        ("mx1.sts-enforce.test", "A", "NOERROR", True, 1),
        ("mx1.sts-enforce.test", "AAAA", "NOERROR", True, 1),
        ("_mta-sts.sts-enforce.test", "TXT", "NOERROR", True, 1),
        ("null-mx.test", "MX", "NOERROR", True, 1),
        ("no-mx.test", "MX", "NOERROR", True, 0),
        ("nowhere.test", "MX", "NXDOMAIN", True, 0),
        ("_25._tcp.mx1.dane.test", "TLSA", "NOERROR", True, 1),
        ("mx1.dane-bogus-tlsa.test", "A", "NOERROR", True, 1),
        ("_25._tcp.mx1.dane-bogus-tlsa.test", "TLSA", "SERVFAIL", False, 0),
        ("dane.insecure.test", "MX", "NOERROR", False, 1),
        ("nowhere.insecure.test", "MX", "NXDOMAIN", False, 0),
        ("any.bogus.test", "MX", "SERVFAIL", False, 0),
        ("x.lame.test", "MX", "SERVFAIL", False, 0),
    ],
)
def test_dnssec_states(lab, name, kind, rcode, ad, count):
    got_rcode, got_ad, texts = answer(lab, name, kind)
    assert (got_rcode, got_ad, len(texts)) == (rcode, ad, count)


def smtp(lab, domain, number=0):
    """A connected client in the relay's namespace, and the name of the host it talks to."""
    host = lab.table.domains[domain].hosts[number]
    with lab.entered():
        return smtplib.SMTP(host.v4[0], 25, "relay.test", timeout=10), host


def permissive():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("domain", ["sts-enforce", "partner-verify", "opensmtpd", "greylist"])
def test_every_server_takes_mail_over_tls_and_in_clear(lab, domain):
    names = [domain] if domain == "opensmtpd" else [domain, domain]
    subject = f"{domain} {time.time_ns()}"
    if domain == "greylist":
        lab.change("greylist", script=None)
    for turn, name in enumerate(names):
        client, host = smtp(lab, name)
        with client:
            if turn == 0:
                client.starttls(context=permissive())
            client.sendmail("a@home.test", [f"turn{turn}@{name}.test"], f"Subject: {subject}\r\n\r\nhello\r\n")
    assert wait_for(lambda: len(found(lab, f"{domain}.test", subject)) == len(names), 10)
    mails = sorted(found(lab, f"{domain}.test", subject), key=lambda m: m.recipient)
    assert [m.encrypted for m in mails] == ([True, False] if len(names) == 2 else [False])
    assert {m.sender for m in mails} == {"a@home.test"}
    if domain == "greylist":
        lab.change("greylist", script=[{"at": "rcpt", "per": "argument", "times": 1, "reply": "451 4.7.1 come again"}])


def found(lab, domain, subject):
    return [m for m in lab.mail_of(domain) if m.message["Subject"] == subject]


@pytest.mark.parametrize("domain", ["sts-enforce", "partner-verify", "opensmtpd", "partner-encrypt"])
def test_unknown_recipients_are_refused(lab, domain):
    client, _ = smtp(lab, domain)
    with client:
        if domain == "opensmtpd":
            client.starttls(context=permissive())
        client.helo("relay.test")
        client.mail("a@home.test")
        code, _ = client.rcpt(f"unknown-person@{domain}.test")
    assert code == 550


@pytest.mark.parametrize("domain", ["clear", "exim-clear", "partner-encrypt"])
def test_hosts_without_starttls_do_not_offer_it(lab, domain):
    client, _ = smtp(lab, domain)
    with client:
        client.ehlo()
        assert not client.has_extn("starttls")


def handshake(lab, address, port, name, smtp_first=True):
    """Verify a server as RFC 8461 demands; the error text, or None when it holds."""
    context = ssl.create_default_context(cafile=lab.trust_file)
    context.hostname_checks_common_name = False
    try:
        if smtp_first:
            with lab.entered():
                client = smtplib.SMTP(address, port, "relay.test", timeout=10)
            client._host = name  # smtplib verifies the name it was told to connect to
            with client:
                client.starttls(context=context)
        else:
            with context.wrap_socket(lab.connect(address, port), server_hostname=name):
                pass
    except ssl.SSLError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_certificate_can_be_served_and_is_as_valid_as_it_says(lab, kind):
    lab.change("certificates", peer="script", certificate=kind)
    host = lab.table.domains["certificates"].hosts[0]
    error = handshake(lab, host.v4[0], 25, host.name)
    assert (error is None) == KINDS[kind].valid, error


@pytest.mark.parametrize("domain", ["sts-enforce", "partner-verify", "opensmtpd", "greylist"])
def test_every_server_has_the_same_certificate_on_both_addresses(lab, domain):
    host = lab.table.domains[domain].hosts[0]
    for address in (host.v4[0], host.v6[0]):
        assert handshake(lab, address, 25, host.name) is None


def has_valid_certificate(lab, host) -> bool | None:
    try:
        return handshake(lab, host.v4[0], 25, host.name) is None
    except OSError:
        return None  # it is between two lives


@pytest.mark.parametrize("peer", ["postfix", "exim", "opensmtpd"])
def test_a_real_server_changes_its_certificate_while_running(lab, peer):
    host = None
    for kind, holds in (("good", True), ("expired", False), ("good", True)):
        lab.change(f"changing-{peer}", peer=peer, certificate=kind)
        host = lab.table.domains[f"changing-{peer}"].hosts[0]
        assert wait_for(lambda: has_valid_certificate(lab, host) is holds, 20), kind


def fetch(lab, domain, address=addresses.POLICY_HOST[0]):
    """What a plain HTTP client gets from the policy host: status, header fields, body."""
    header, _, body = raw_fetch(lab, domain, address, timeout=5).partition(b"\r\n\r\n")
    lines = header.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]) if header else 0, fields, body


def raw_fetch(lab, domain, address, timeout):
    host = lab.table.domains[domain].policy_host
    context = permissive()
    with context.wrap_socket(lab.connect(address, 443), server_hostname=host) as connection:
        deadline = time.monotonic() + timeout
        request = f"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        octets = b""
        try:
            while len(octets) < 1 << 20:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                if not (piece := connection.recv(65536)):
                    break
                octets += piece
        except TimeoutError:
            pass
    return octets


@pytest.mark.parametrize(
    "defect, status, media_type, size",
    [
        ("", 200, "text/plain", None),
        ("301", 301, "text/html", None),
        ("302", 302, "text/html", None),
        ("307", 307, "text/html", None),
        ("308", 308, "text/html", None),
        ("204", 204, None, 0),
        ("404", 404, "text/html", None),
        ("500", 500, "text/html", None),
        ("html", 200, "text/html", None),
        ("octets", 200, "application/octet-stream", None),
        ("no-type", 200, None, None),
        ("utf8", 200, "text/plain; charset=utf-8", None),
        ("65536", 200, "text/plain", 65536),
        ("65537", 200, "text/plain", 65537),
        ("empty", 200, "text/plain", 0),
        ("endless", 200, "text/plain", 1 << 19),
        ("bomb", 200, "text/plain", None),
        ("closed", 0, None, 0),
    ],
)
def test_policy_host_defects(lab, defect, status, media_type, size):
    lab.change("policies", sts={"defect": defect})
    got, fields, body = fetch(lab, "policies")
    assert got == status
    assert fields.get("content-type") == media_type
    if size is not None:
        assert len(body) >= size if defect == "endless" else len(body) == size
    elif status == 200 and defect != "bomb":
        assert body.startswith(b"version: STSv1\r\nmode: enforce\r\nmx: mx1.policies.test\r\n")


def test_policy_host_drips_and_compresses(lab):
    lab.change("policies", sts={"defect": "drip"})
    octets = raw_fetch(lab, "policies", addresses.POLICY_HOST[0], timeout=1.5)
    assert b"max_age" not in octets
    lab.change("policies", sts={"defect": "gzip"})
    _, fields, _ = fetch(lab, "policies")
    assert fields["content-encoding"] == "gzip"


def test_policy_host_certificates(lab):
    for kind, holds in (("good", True), ("expired", False), ("other-name", False), ("wildcard", True)):
        lab.change("policies", sts={"defect": "", "certificate": kind})
        error = handshake(lab, addresses.POLICY_HOST[0], 443, "mta-sts.policies.test", smtp_first=False)
        assert (error is None) == holds, (kind, error)


def test_scripted_policy_host(lab):
    endless = [{"send": "HTTP/1.1 200 OK\r\n"}, {"send": "X-More: header\r\n", "repeat": 100000}]
    lab.change("scripted-policy", sts={"host": "script", "script": []})
    scripted = addresses.SCRIPTED_POLICY_HOST[0]
    status, _, body = fetch(lab, "scripted-policy", address=scripted)
    assert status == 200 and body.startswith(b"version: STSv1")
    lab.change("scripted-policy", sts={"script": endless})
    with permissive().wrap_socket(lab.connect(scripted, 443), server_hostname="mta-sts.scripted-policy.test") as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        count = sum(len(client.recv(65536)) for _ in range(1000))
    assert count >= 1000 * len("X-More: header")


def test_a_domain_changes_while_everything_runs(lab):
    lab.change("moving", sts={"id": "1"})
    assert answer(lab, "_mta-sts.moving.test", "TXT")[2] == ['"v=STSv1; id=1;"']
    lab.change("moving", mx=["mx1", "new"], sts={"id": "2"})
    assert answer(lab, "_mta-sts.moving.test", "TXT") == ("NOERROR", True, ['"v=STSv1; id=2;"'])
    assert answer(lab, "moving.test", "MX")[2] == ["10 mx1.moving.test.", "20 new.moving.test."]
    lab.change("moving", bogus=["@ MX"])
    assert answer(lab, "moving.test", "MX")[0] == "SERVFAIL"
    lab.remove("moving")
    assert answer(lab, "moving.test", "MX")[0] == "NXDOMAIN"


def test_the_lying_resolver(lab):
    def ask(*rules):
        lab.dns_rules(*rules)
        return answer(lab, "sts-enforce.test", "MX", server="127.0.0.2", timeout=2)

    try:
        assert ask()[:2] == ("NOERROR", True)
        assert ask({"do": "strip-ad"})[:2] == ("NOERROR", False)
        assert ask({"do": "servfail", "type": "MX"})[0] == "SERVFAIL"
        assert ask({"do": "servfail", "type": "TLSA"})[:2] == ("NOERROR", True)
        assert ask({"do": "nxdomain", "name": "^sts-"})[0] == "NXDOMAIN"
        with pytest.raises(dns.exception.Timeout):
            ask({"do": "silent"})
        lab.dns_rules({"do": "truncate"})
        assert lab.resolve("sts-enforce.test", "MX", server="127.0.0.2").flags & dns.flags.TC
        lab.dns_rules({"do": "set-ad"})
        assert answer(lab, "dane.insecure.test", "MX", server="127.0.0.2")[1] is True
    finally:
        lab.dns_rules()


def test_addresses_nobody_answers(lab):
    refused, silent = addresses.ODD_ADDRESSES["refused"][0], addresses.ODD_ADDRESSES["silent"][0]
    with pytest.raises(ConnectionRefusedError):
        lab.connect(refused, 25)
    with pytest.raises(TimeoutError):
        lab.connect(silent, 25, timeout=1)
    with pytest.raises(OSError, match="No route to host"):
        lab.connect(addresses.ODD_ADDRESSES["unreachable"][0], 25)


def test_the_scripted_peer_records_what_came_in_clear(lab):
    lab.change("recorded", peer="script")
    client, host = smtp(lab, "recorded")
    with client:
        client.starttls(context=permissive())
        client.sendmail("a@home.test", ["b@recorded.test"], "Subject: x\r\n\r\nsecret\r\n")
    client, _ = smtp(lab, "recorded")
    with client:
        client.sendmail("a@home.test", ["b@recorded.test"], "Subject: x\r\n\r\nopen\r\n")
    assert wait_for(lambda: len([s for s in lab.sessions(host.name) if s.end]) == 2, 5)
    first, second = lab.sessions(host.name)
    assert first.tls["tls"] == "TLSv1.3" and second.tls is None
    assert b"secret" in first.octets("client", clear=False) and b"secret" not in first.octets("client", clear=True)
    assert not first.mail_in_clear and second.mail_in_clear


def test_the_scripted_peer_obeys_its_rules(lab):
    rules = [
        {"at": "starttls", "reply": "454 4.7.0 not now", "times": 1},
        {"at": "rcpt", "match": "<slow@", "then": "close", "reply": "421 4.3.2 enough"},
        {"at": "starttls", "raw": "220 go\r\n250 injected\r\n"},
    ]
    lab.change("ruled", peer="script", script=rules, ehlo=["STARTTLS", "SIZE 1000"])
    client, _ = smtp(lab, "ruled")
    client.ehlo()
    assert client.esmtp_features == {"starttls": "", "size": "1000"}
    assert client.docmd("STARTTLS") == (454, b"4.7.0 not now")
    client.mail("a@home.test")
    assert client.rcpt("slow@ruled.test")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.noop()
    client, _ = smtp(lab, "ruled")
    client.ehlo()
    client.putcmd("STARTTLS")
    assert client.file is None or client.getreply()[0] == 220
    assert client.getreply() == (250, b"injected")
    client.close()


def test_an_error_in_the_table_changes_nothing(lab):
    before = dict(lab.table.raw)
    for changes, text in (
        ({"peer": "sendmail"}, "none of: postfix"),
        ({"certifcate": "good"}, "unknown key"),
        ({"script": [{"at": "lunch"}], "peer": "script"}, "none of: connect"),
        ({"sts": {"defect": "303"}}, "none of: 301"),
    ):
        with pytest.raises(TableError, match=text):
            lab.change("home", **changes)
    assert lab.table.raw == before


def small_table():
    return Table([{"name": "only", "peer": "script"}])


def test_nothing_is_left_when_the_lab_stops(lab):
    with Lab.start(small_table()) as second:
        world = second.pids["world"]
        assert (second.directory / "state.json").exists()
        assert {n for n in os.listdir("/run/netns")} == set() if os.path.isdir("/run/netns") else True
    assert not second.directory.exists()
    assert not os.path.exists(f"/proc/{world}")


def test_the_lab_dies_with_whoever_started_it(lab):
    """kill -9 of the test run must not leave servers behind."""
    code = (
        "import sys, time; sys.path.insert(0, 'tests'); from lab.world import *\n"
        "l = Lab.start(Table([{'name': 'only', 'peer': 'script'}]))\n"
        "print(l.pids['world'], l.directory, flush=True); time.sleep(60)\n"
    )
    root = namespaces.Path(__file__).resolve().parent.parent.parent
    process = subprocess.Popen(["/usr/bin/python3", "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)
    pid, directory = process.stdout.readline().split()
    assert os.path.exists(f"/proc/{pid}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 5)
    subprocess.run(["rm", "-rf", directory], check=True)

# SPDX-License-Identifier: Apache-2.0
"""OCSP responses of our own certificates (docs/own-certificates.md): openssl asks for them, on every kind of listener, and the relay
watches their end."""

import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from lab.world import wait_for
from relay import Relay, ports

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)


class Authority:
    def __init__(self, name: str):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self.made(self.name, self.key.public_key(), x509.BasicConstraints(ca=True, path_length=None))

    def made(self, subject, public_key, *extensions):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - DAY).not_valid_after(NOW + 300 * DAY)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, host: str, directory, *extensions):
        """The certificate, and the file of it with its chain and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self.made(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key.public_key(), names, *extensions)
        file = directory / f"{host}.pem"
        file.touch(0o600)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (certificate, self.certificate)) + private)
        return certificate, file

    def answer(self, certificate, file, ends: timedelta = 4 * DAY, status=ocsp.OCSPCertStatus.GOOD):
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate, self.certificate, hashes.SHA1(), status, NOW - DAY, NOW + ends,
            NOW - DAY if status == ocsp.OCSPCertStatus.REVOKED else None, None)  # fmt: skip
        response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate).sign(self.key, hashes.SHA256())
        file.write_bytes(response.public_bytes(serialization.Encoding.DER))
        return file


@pytest.fixture(scope="module")
def one(lab, tmp_path_factory):
    directory = tmp_path_factory.mktemp("staples")
    authority = Authority("Staple authority")
    first, first_file = authority.issue("relay.home.test", directory)
    also, also_file = authority.issue("also.home.test", directory)
    staples = [authority.answer(first, directory / "first.der"), authority.answer(also, directory / "also.der")]
    doors = {name: next(ports) for name in ("starttls", "implicit")}
    relay = Relay(
        lab, directory,
        listener=[{"address": f"127.0.0.1:{doors['starttls']}", "mode": "submission"}, {"address": f"127.0.0.1:{doors['implicit']}", "mode": "submissions"}],
        tls={"certificate": first_file, "key": first_file, "ocsp_staple": staples[0],
             "also": [{"certificate": also_file, "key": also_file, "ocsp_staple": staples[1]}]},
    )  # fmt: skip
    relay.doors = {**doors, "relay": relay.port}
    relay.authority, relay.shown, relay.staples = authority, {"relay": first, "also": also}, staples
    yield relay.start()
    relay.kill()


def asked(one, door: str, name: str, *more) -> str:
    """What openssl s_client -status prints."""
    starttls = [] if door == "implicit" else ["-starttls", "smtp"]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{one.doors[door]}", *starttls, "-servername", name, "-status", *more]
    done = subprocess.run(one.lab.command(command), input=b"QUIT\r\n", capture_output=True, timeout=30)
    return done.stdout.decode(errors="replace")


def serial(certificate) -> str:
    return f"{certificate.serial_number:X}"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("door", ["relay", "starttls", "implicit"])
def test_each_certificate_is_shown_with_its_own_response(one, door, version):
    for name in ("relay", "also"):
        said = asked(one, door, f"{name}.home.test", version)
        assert "OCSP Response Status: successful" in said and "Cert Status: good" in said, said
        assert serial(one.shown[name]) in said.replace("0" + serial(one.shown[name]), serial(one.shown[name]))


def test_a_reload_takes_a_new_one_and_refuses_one_that_is_wrong(one):
    one.authority.answer(one.shown["relay"], one.staples[0], 6 * DAY)
    assert one.reload_with()["event"] == "reloaded"
    assert (NOW + 6 * DAY).strftime("Next Update: %b %e") in asked(one, "relay", "relay.home.test")
    one.authority.answer(one.shown["also"], one.staples[0])  # somebody mixed them up
    done = one.command("check")
    assert done.returncode == 78 and "is about another certificate" in done.stdout + done.stderr
    assert one.reload_with()["event"] == "reload_refused"
    assert "Cert Status: good" in asked(one, "relay", "relay.home.test")
    one.staples[0].write_bytes(b"no DER")
    assert "is no OCSP response" in one.command("check").stderr + one.command("check").stdout
    one.authority.answer(one.shown["relay"], one.staples[0])
    assert one.reload_with()["event"] == "reloaded"


def test_one_that_ended_is_not_shown_and_is_a_trouble(one):
    one.authority.answer(one.shown["relay"], one.staples[0], -timedelta(hours=1))
    done = one.command("check")
    assert done.returncode == 0 and "OCSP response that ended" in done.stdout + done.stderr
    assert one.reload_with()["event"] == "reloaded"
    assert "OCSP response: no response sent" in asked(one, "relay", "relay.home.test")
    assert "Cert Status: good" in asked(one, "relay", "also.home.test")
    status = lambda: one.ask("status")["listener_certificate"]
    assert wait_for(lambda: status()["fault"] == "staple", 10, 0.2), status()
    one.authority.answer(one.shown["relay"], one.staples[0])
    assert one.reload_with()["event"] == "reloaded"
    assert wait_for(lambda: status()["fault"] == "", 10, 0.2), status()
    assert status()["all"][0]["staple"].startswith((NOW + 4 * DAY).strftime("%Y-%m-%d"))


def test_a_certificate_that_must_be_stapled_is_told_when_it_is_not(lab, tmp_path):
    authority = Authority("Must")
    certificate, file = authority.issue("relay.home.test", tmp_path, x509.TLSFeature([x509.TLSFeatureType.status_request]))
    relay = Relay(lab, tmp_path / "relay", tls={"certificate": file, "key": file})
    done = relay.command("check")
    assert "must-staple" in done.stdout + done.stderr and done.returncode == 78
    relay.change(tls={"certificate": file, "key": file, "ocsp_staple": authority.answer(certificate, tmp_path / "staple.der")})
    assert "must-staple" not in relay.command("check").stdout


def test_what_openssl_fetches_is_what_is_read(lab, one, tmp_path):
    """The command of docs/own-certificates.md, with a responder of openssl's own."""
    directory = tmp_path
    authority, certificate = one.authority, one.shown["relay"]
    ca, key, leaf = directory / "ca.pem", directory / "ca.key", directory / "leaf.pem"
    ca.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    leaf.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(authority.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    index = directory / "index.txt"
    number = serial(certificate)
    number = number if len(number) % 2 == 0 else "0" + number
    index.write_text(f"V\t{(NOW + 300 * DAY).strftime('%y%m%d%H%M%SZ')}\t\t{number}\tunknown\t/CN=relay.home.test\n")
    port = next(ports)
    responder = subprocess.Popen(lab.command(["openssl", "ocsp", "-index", index, "-port", str(port), "-rsigner", ca, "-rkey", key, "-CA", ca, "-ndays", "4", "-nrequest", "1"]),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    staple = directory / "staple.der"
    fetch = ["openssl", "ocsp", "-issuer", ca, "-cert", leaf, "-url", f"http://127.0.0.1:{port}", "-no_nonce", "-CAfile", ca, "-respout", staple]
    try:
        assert wait_for(lambda: subprocess.run(lab.command(fetch), capture_output=True, timeout=30).returncode == 0, 20, 0.5)
    finally:
        responder.kill()
        responder.wait()
    one.staples[0].write_bytes(staple.read_bytes())
    assert one.reload_with()["event"] == "reloaded"
    assert "Cert Status: good" in asked(one, "implicit", "relay.home.test")

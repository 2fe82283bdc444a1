# SPDX-License-Identifier: Apache-2.0
"""T-53, T-62: what the relay's processes may still do, seen from outside."""

import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lab.world import wait_for
from relay import Relay

USER = "daemon"  # a user that every Debian has and that owns nothing


def status_of(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def anyone() -> ssl.SSLContext:
    """A client that asks for no particular certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def key_process_of(relay) -> int:
    return relay.ask("status")["process"]["keys"]


@pytest.fixture(scope="module")
def folder():
    """Where a user that is not root gets to; pytest's own directories are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="sealpost-user-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


# As systemd starts it with User= and AmbientCapabilities=.
LENT = "+net_bind_service,+dac_read_search"
AS_THE_USER = [
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", f"--inh-caps=-all,{LENT}",
    f"--ambient-caps=-all,{LENT}", f"--bounding-set=-all,{LENT}",
]  # fmt: skip


@pytest.fixture(scope="module", params=["as root", "as the user, with rights lent"])
def relay(lab, folder, request):
    """With a key that only root can read and a listener on a low port."""
    certificate, key = make_identity(folder)
    lent = request.param != "as root"
    relay = Relay(
        lab, folder / ("lent" if lent else "relay"), user=USER,
        listener=[{"address": "127.0.0.1:25", "mode": "relay", "allow": ["127.0.0.0/8"]}],
        tls={"certificate": certificate, "key": key},
    )  # fmt: skip
    relay.prefix = AS_THE_USER if lent else []
    owner = pwd.getpwnam(USER)
    for path in (relay.data, relay.directory):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    relay.start()
    yield relay
    relay.kill()


def make_identity(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=relay.home.test",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    return certificate, key


def test_T53_it_runs_as_the_user_without_any_capability(relay):
    uid = str(pwd.getpwnam(USER).pw_uid)
    for thread in Path(f"/proc/{relay.process.pid}/task").iterdir():
        status = status_of(thread)
        assert status["Uid"].split() == [uid] * 4
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
    said = relay.ask("status")["process"]
    assert said["user"] == USER and said["capabilities"] == "none" and said["no_new_privs"]
    assert said["seccomp"] == "in force"


def test_T53_every_thread_of_the_key_process_may_read_files_and_no_more(relay):
    for thread in Path(f"/proc/{key_process_of(relay)}/task").iterdir():
        status = status_of(thread)
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"


def test_T53_mail_flows_from_a_low_port_over_TLS_with_a_key_only_root_can_read(relay, lab):
    lab.change("privileged", peer="script")
    with lab.connect("127.0.0.1", 25) as low:
        assert low.recv(4).startswith(b"220")
    with relay.client() as client:
        client.starttls(context=anyone())
        client.sendmail("anna@home.test", ["bob@privileged.test"], "Subject: user\r\n\r\nhello\r\n")
    assert wait_for(lambda: lab.mail_of("privileged.test"), 20)


def test_T53_T62_the_private_key_is_in_the_key_process_alone(relay, folder):
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    prime = key.private_numbers().p
    size = (prime.bit_length() + 7) // 8
    needles = [prime.to_bytes(size, "little"), prime.to_bytes(size, "big")]
    assert holds(key_process_of(relay), needles), "the search itself finds nothing"
    assert not holds(relay.process.pid, needles)


def holds(pid: int, needles: list[bytes]) -> bool:
    """Looks through all memory that a process can write."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not found or "[v" in line:
                continue
            begin, end = int(found[1], 16), int(found[2], 16)
            if end - begin > 1 << 28:
                continue
            try:
                memory.seek(begin)
                octets = memory.read(end - begin)
            except OSError:
                continue
            if any(needle in octets for needle in needles):
                return True
    return False


def test_T62_no_core_of_either_process(relay):
    for pid in (relay.process.pid, key_process_of(relay)):
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0", limits)


def test_T53_a_reload_brings_a_new_key_that_only_root_can_read(relay, folder):
    before = leaf(relay)
    make_identity(folder)
    relay.reload()
    assert wait_for(lambda: leaf(relay) != before, 10)


def leaf(relay) -> bytes:
    with relay.client() as client:
        client.starttls(context=anyone())
        return client.sock.getpeercert(binary_form=True)


def test_T53_without_its_keys_the_relay_ends_in_order(lab, tmp_path):
    relay = Relay(lab, tmp_path / "orphan")
    relay.start()
    os.kill(key_process_of(relay), signal.SIGKILL)
    assert relay.process.wait(60) == 75

# SPDX-License-Identifier: Apache-2.0
"""What packaging/build-deb made, installed in a fresh root: the tests follow the life of an installation, in order."""

import contextlib
import json
import re
import shutil
import signal
import smtplib
import subprocess
from pathlib import Path

import pytest
from lab.world import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "packaging" / "debian" / "sealpost.service"
MOST_EXPOSURE = 2.0


def test_lintian_has_nothing_to_say(debs):
    changes = next((ROOT / "build" / "deb").glob("*.changes"))
    done = subprocess.run(["lintian", "--pedantic", "--fail-on", "error,warning,pedantic", changes], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_unit_is_right_and_walled_in():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= MOST_EXPOSURE, done.stdout + done.stderr
    assert not done.stderr, done.stderr  # a word that systemd does not know is passed over, and protects nobody


class Installed:
    """The relay of the fresh root, in the lab's network."""

    def __init__(self, lab, fresh):
        self.lab, self.fresh = lab, fresh
        self.config = fresh.file("/etc/sealpost/sealpost.toml")
        self.process: subprocess.Popen | None = None
        self.port = 25

    def command(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.lab.command(["chroot", self.fresh.path, "sealpost", *words]), capture_output=True, text=True, timeout=60, check=False)

    @contextlib.contextmanager
    def running(self, *options: str):
        with open(self.fresh.path.parent / "sealpost.out", "ab") as output:
            command = self.lab.command(["chroot", *options, self.fresh.path, "sealpost", "run"])
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            assert wait_for(self.greets, 20), (self.fresh.path.parent / "sealpost.out").read_text()[-2000:]
            yield self
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(40) == 0
        finally:
            self.process.kill()

    def greets(self) -> bool:
        try:
            with self.lab.connect("127.0.0.1", self.port, timeout=1) as connection:
                return connection.recv(4).startswith(b"220")
        except OSError:
            return False

    def submit(self, recipient: str):
        with self.lab.entered():
            client = smtplib.SMTP("127.0.0.1", 25, timeout=30)
        with client:
            client.sendmail("anna@home.test", [recipient], "Subject: installed\r\n\r\nhello\r\n")


@pytest.fixture(scope="module")
def installed(lab, fresh):
    fresh.must("apt-get", "-q", "-y", "install", "--no-install-recommends", *fresh.debs())
    fresh.file("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    return Installed(lab, fresh)


def test_what_it_brings(installed):
    fresh = installed.fresh
    name, _, uid, gid, _, home, shell = fresh.must("getent", "passwd", "sealpost").strip().split(":")
    assert (name, home, shell) == ("sealpost", "/var/lib/sealpost", "/usr/sbin/nologin") and int(uid) < 1000
    data = fresh.file("/var/lib/sealpost").stat()
    assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (int(uid), int(gid), 0o700)
    assert fresh.file("/etc/sealpost/policies").is_dir()
    for file in ("man/man8/sealpost-queue.8.gz", "man/man5/sealpost.toml.5.gz", "bash-completion/completions/sealpost"):
        assert fresh.file(f"/usr/share/{file}").exists()
    assert "/etc/sealpost/sealpost.toml" in fresh.must("dpkg-query", "-W", "-f", "${Conffiles}", "sealpost")
    assert fresh.file("/lib/systemd/system/sealpost.service").exists() or fresh.file("/usr/lib/systemd/system/sealpost.service").exists()


def test_the_configuration_as_it_is_shipped_is_right(installed):
    done = installed.command("--json", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [one for one in json.loads(done.stdout)["findings"] if one.get("kind") == "error"]


def test_two_lines_later_mail_flows(installed, lab):
    text = installed.config.read_text()
    for key, value in (("hostname", "relay.home.test"), ("postmaster", "postmaster@home.test")):
        text, changed = re.subn(rf'^#{key} = ".*"', f'{key} = "{value}"', text, flags=re.M)
        assert changed == 1
    installed.config.write_text(text)
    lab.change("installed", peer="script")
    with installed.running():
        installed.submit("bob@installed.test")
        assert wait_for(lambda: lab.mail_of("installed.test"), 30)
        process = json.loads(installed.command("--json", "status").stdout)["process"]
        assert process["user"] == "sealpost" and process["capabilities"] == "none"
        assert installed.fresh.file("/run/sealpost/control.sock").is_socket()


def test_mail_of_cron_goes_through_sendmail(installed, lab):
    lab.change("cron", peer="script")
    with installed.running():
        command = installed.lab.command(["chroot", installed.fresh.path, "/usr/sbin/sendmail", "-t", "-oi"])
        done = subprocess.run(command, input="To: bob@cron.test\n\nhello\n", capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert wait_for(lambda: lab.mail_of("cron.test"), 30)
        listed = subprocess.run(installed.lab.command(["chroot", installed.fresh.path, "mailq"]), capture_output=True, text=True, timeout=60, check=False)
        assert listed.returncode == 0, listed.stderr


def test_mail_that_waits_survives_an_upgrade(installed, lab):
    with installed.running():
        installed.submit("bob@later.installed.test")
    before = installed.config.read_text()
    installed.fresh.must("apt-get", "-q", "-y", "install", "--reinstall", "--no-install-recommends", *installed.fresh.debs())
    assert installed.config.read_text() == before
    assert list(installed.fresh.file("/var/lib/sealpost/spool/journal").glob("*.seg"))


def test_as_in_a_container_it_is_a_user_without_any_right_from_the_start(installed):
    """What packaging/Containerfile does to the configuration, and its health check."""
    container = (ROOT / "packaging" / "Containerfile").read_text()
    change = re.search(r"sed -i '(.*)' /etc/sealpost/sealpost.toml", container)[1]
    before = installed.config.read_text()
    installed.fresh.must("sed", "-i", change, "/etc/sealpost/sealpost.toml")
    assert installed.config.read_text() != before
    installed.port = 2525
    with installed.running("--userspec=sealpost:sealpost"):
        healthy = installed.command(*re.search(r'CMD \["sealpost", "(\w+)"\]', container)[1].split())
        assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    installed.port = 25
    installed.config.write_text(before)


def test_removed_it_keeps_mail_and_configuration(installed):
    fresh = installed.fresh
    fresh.file("/etc/sealpost/policies/ours.toml").write_text("# ours\n")
    fresh.must("apt-get", "-q", "-y", "remove", "sealpost")
    assert not fresh.file("/usr/bin/sealpost").exists()
    assert list(fresh.file("/var/lib/sealpost/spool/journal").glob("*.seg"))
    assert 'hostname = "relay.home.test"' in installed.config.read_text()


def test_purged_it_leaves_only_what_the_administrator_wrote(installed):
    fresh = installed.fresh
    rules = fresh.file("/etc/sealpost/policies/ours.toml")
    fresh.must("apt-get", "-q", "-y", "purge", "sealpost")
    assert not fresh.file("/var/lib/sealpost").exists() and not installed.config.exists()
    assert rules.read_text() == "# ours\n"

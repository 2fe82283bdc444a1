# SPDX-License-Identifier: Apache-2.0
"""The unit under a systemd of its own, booted in a root with the packages in it: every wall of the unit stands, and nothing that
the relay needs is behind one."""

import json
import re
import subprocess

import pytest

PROBE = r"""exec >/probe.out 2>&1
say() { printf '== %s\n' "$1"; }
show() { systemctl show -p "$1" --value sealpost; }
settled() { for i in $(seq 200); do [ "$(show ActiveState)$(show SubState)" = "$1" ] && return; sleep 0.1; done; }
say started
settled activerunning
printf '%s %s %s\n' "$(show ActiveState)" "$(show User)" "$(show NotifyAccess)"
say words
for i in $(seq 100); do show StatusText | grep taking && break; sleep 0.1; done
say capabilities
for process in $(cat /sys/fs/cgroup/systemd/system.slice/sealpost.service/cgroup.procs /sys/fs/cgroup/system.slice/sealpost.service/cgroup.procs 2>/dev/null); do
  printf '%s %s\n' "$(cat /proc/$process/comm)" "$(sed -n 's/^CapEff:\t//p' /proc/$process/status)"
done
say status
sealpost --json status
say mail
printf 'To: bob@nowhere.invalid\n\nhello\n' | sendmail -v -t
say reload
systemctl reload sealpost; echo $?
settled activerunning
journalctl -u sealpost -o cat --no-pager | grep -c ' info reloaded '
say watchdog
pid=$(show MainPID)
kill -STOP $pid
for i in $(seq 400); do [ "$(show MainPID)" != $pid ] && break; sleep 0.1; done
settled activerunning
printf '%s %s\n' "$(show NRestarts)" "$(show ActiveState)"
say stop
systemctl stop sealpost
printf '%s %s\n' "$(show ActiveState)" "$(show Result)"
say journal
journalctl -u sealpost -o cat --no-pager
systemctl poweroff
"""

SERVICE = """[Unit]
After=sealpost.service
[Service]
Type=oneshot
ExecStart=/bin/sh /probe.sh
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def probed(with_systemd) -> dict[str, str]:
    root = with_systemd
    root.must("apt-get", "-q", "-y", "install", "--no-install-recommends", *root.debs())
    root.file("/etc/resolv.conf").unlink(missing_ok=True)
    root.file("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    # A key that only root can read, STARTTLS with it, and a watchdog that a test can wait for.
    tls = root.file("/etc/sealpost/tls")
    tls.mkdir()
    root.must("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=relay.home.test",
              "-keyout", "/etc/sealpost/tls/key.pem", "-out", "/etc/sealpost/tls/cert.pem")  # fmt: skip
    (tls / "key.pem").chmod(0o600)
    config = root.file("/etc/sealpost/sealpost.toml")
    config.write_text(re.sub(r"^#(\[tls\]|certificate = |key = )", r"\1", config.read_text(), flags=re.M))
    drop_in = root.file("/etc/systemd/system/sealpost.service.d/test.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=4s\nRestartSec=1s\n")
    root.file("/etc/systemd/system/probe.service").write_text(SERVICE)
    root.file("/probe.sh").write_text(PROBE)
    wants = root.file("/etc/systemd/system/multi-user.target.wants")
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "probe.service").symlink_to("/etc/systemd/system/probe.service")
    booted = subprocess.run(
        ["systemd-nspawn", "-q", "-D", root.path, "--private-network", "--register=no", "--keep-unit", "--console=pipe", "-b"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    out = root.file("/probe.out")
    if not out.exists():
        pytest.skip(f"systemd does not boot in a container here: {booted.stderr.strip()[-300:]}")
    parts = re.split(r"^== (\w+)\n", out.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_it_starts_when_it_takes_mail_as_its_user(probed):
    assert probed["started"].split() == ["active", "sealpost", "main"], probed["journal"]
    assert "taking mail" in probed["words"]


def test_T53_the_key_process_alone_may_read_all_files(probed):
    rights = dict(line.rsplit(" ", 1) for line in probed["capabilities"].splitlines())
    assert int(rights["sealpost"], 16) == 0 and int(rights["sealpost-keys"], 16) == 1 << 2


def test_the_relays_own_walls_stand_within_those_of_the_unit(probed):
    said = json.loads(probed["status"])["process"]
    assert (said["user"], said["capabilities"], said["no_new_privs"], said["seccomp"]) == ("sealpost", "none", True, "in force")
    assert said["landlock"] in ("in force", "off: not in this kernel")


def test_mail_of_the_machine_is_taken(probed):
    assert re.search(r"^250 .*queued as", probed["mail"], re.M), probed["mail"]


def test_a_reload_is_over_when_the_rules_are_in_force(probed):
    assert probed["reload"].split() == ["0", "1"], probed["journal"]


def test_D28_a_relay_that_stands_still_is_started_anew(probed):
    restarts, state = probed["watchdog"].split()
    assert int(restarts) == 1 and state == "active", probed["journal"]


def test_it_stops_in_order(probed):
    assert probed["stop"].split() == ["inactive", "success"], probed["journal"]
    assert "denied" not in probed["journal"].lower() and "not permitted" not in probed["journal"].lower(), probed["journal"]

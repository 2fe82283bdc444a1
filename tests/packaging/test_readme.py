# SPDX-License-Identifier: Apache-2.0
"""README.md followed to the last line on a machine that has nothing but Debian: what stands in its blocks is run as it stands
there. What a reader does besides is a stand-in here: an editor that writes the two lines, a second terminal.

What asks the package sources runs with this machine's network, the rest under a systemd booted without any.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Fresh, debian_sources, release

ROOT = Path(__file__).resolve().parent.parent.parent
DEBIAN = "systemd,systemd-sysv,dbus,apt,ca-certificates,iproute2,nano"  # of what an installer puts on a machine, what the blocks use

EDITOR = r"""#!/bin/sh
# The hand that edits: the relay's name, and a listener for a network with whom it may serve.
sed -i 's/^#\?hostname = .*/hostname = "relay.home.test"/' "$1"
printf '\n[[listener]]\naddress = "192.0.2.10:2526"\nallow = ["192.0.2.0/24"]\n' >>"$1"
"""

# Each block in its turn. A command that does not return has its own terminal until the next block is done.
UNDER_SYSTEMD = r"""exec >/readme.out 2>&1
cd /sealpost
ip link set lo up
ip address add 192.0.2.10/24 dev lo
say() { printf '== %s\n' "$1"; }
wait_for() { for i in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; echo "never: $*"; }
say service
for i in $(seq 100); do systemctl is-active --quiet sealpost && break; sleep 0.1; done
sh -ex /blocks/service; echo "exit $?"
wait_for sealpost status
ss -Hltn | awk '{print $4}'
systemctl stop sealpost
# Who builds by hand has no package.
dpkg --purge sealpost >/dev/null 2>&1
rm -rf /etc/sealpost /var/lib/sealpost
say hand
sh -ex /blocks/run & relay=$!
wait_for build/release/sealpost status
sh -ex /blocks/ask; echo "exit $?"
kill $(pidof sealpost); wait $relay; echo "ended $?"
say network
sed '$d' /blocks/network | sh -ex; echo "exit $?"
$(tail -n 1 /blocks/network) & relay=$!
wait_for build/release/sealpost --config relay.toml status
build/release/sealpost --config relay.toml status; echo "exit $?"
kill $relay; wait $relay; echo "ended $?"
systemctl poweroff
"""

SERVICE = """[Unit]
After=sealpost.service
[Service]
Type=oneshot
ExecStart=/bin/sh /readme.sh
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
"""


def blocks() -> dict[str, list[str]]:
    """By heading: the indented blocks of README.md, unindented."""
    found: dict[str, list[str]] = {}
    heading = ""
    for part in re.split(r"\n\n+", (ROOT / "README.md").read_text()):
        if part.startswith("#"):
            heading = part.lstrip("# ").splitlines()[0]
            found[heading] = []
        elif part.startswith("    "):
            text = "\n".join(line[4:] for line in part.splitlines())
            # An empty line within a block belongs to it.
            if found[heading] and found[heading][-1].count("<<'EOF'") != found[heading][-1].count("\nEOF"):
                found[heading][-1] += "\n\n" + text
            else:
                found[heading].append(text)
    return found


def nspawn(root: Fresh, *words: str, timeout: int) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["systemd-nspawn", "-q", "-D", root.path, "--register=no", "--keep-unit", "--console=pipe", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
        # A machine's own /proc/sys can be written: a lab lets its namespaces forward.
        env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    if not shutil.which("systemd-nspawn"):
        pytest.skip("no systemd-nspawn here (packaging/install-dependencies debtest)")
    path = tmp_path_factory.mktemp("readme") / "root"
    path.parent.chmod(0o755)
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={DEBIAN}", release(), path, "-"],
        input="\n".join(debian_sources()), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    (path / "sealpost").mkdir()
    tree = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", path / "sealpost"], input=tree.stdout, check=True)
    root = Fresh(path)
    root.file("/usr/local/bin/editor").write_text(EDITOR)
    root.file("/usr/local/bin/editor").chmod(0o755)
    yield root
    shutil.rmtree(path, ignore_errors=True)


def in_the_tree(machine: Fresh, commands: str, timeout: int) -> str:
    done = nspawn(machine, "--resolv-conf=copy-host", "--capability=all", "--as-pid2", "sh", "-exc", "cd /sealpost\n" + commands, timeout=timeout)
    assert done.returncode == 0, f"{commands}: {done.returncode}: {done.stdout[-3000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_the_first_minute(machine):
    quickstart, tests = blocks()["The first minute"]
    assert tests == "tests/run"  # which is .ci/run, on each new machine
    said = in_the_tree(machine, quickstart, 2400)
    assert re.search(r"^quickstart: \d+ scenes played, all as they should be$", said, re.M), said[-3000:]


@pytest.fixture(scope="module")
def followed(machine) -> dict[str, str]:
    """Packages made and installed with a network, everything else without."""
    (service,) = blocks()["Install as a service"]
    by_hand, ask, network = blocks()["By hand"]
    make, install = (line for line in service.splitlines() if "build-deb" in line or "apt-get" in line)
    in_the_tree(machine, f"{make}\n{install.replace('install', 'install -y')}", 2400)
    *prepare, run = by_hand.splitlines()
    in_the_tree(machine, "\n".join(prepare), 2400)
    written = {"run": run, "ask": ask, "network": network}
    written["service"] = "\n".join(line for line in service.splitlines() if line not in (make, install))
    machine.file("/blocks").mkdir()
    for name, text in written.items():
        machine.file(f"/blocks/{name}").write_text(text + "\n")
    machine.file("/readme.sh").write_text(UNDER_SYSTEMD)
    machine.file("/etc/systemd/system/readme.service").write_text(SERVICE)
    wants = machine.file("/etc/systemd/system/multi-user.target.wants")
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "readme.service").symlink_to("/etc/systemd/system/readme.service")
    booted = nspawn(machine, "--private-network", "-b", timeout=300)
    out = machine.file("/readme.out")
    if not out.exists():
        pytest.skip(f"systemd does not boot in a container here: {booted.stderr.strip()[-300:]}")
    parts = re.split(r"^== (\w+)\n", out.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_installed_as_a_service(followed):
    assert "exit 0" in followed["service"], followed["service"]
    assert "192.0.2.10:2526" in followed["service"], followed["service"]


def test_run_by_hand_and_asked_from_another_terminal(followed):
    assert "exit 0" in followed["hand"] and "ended 0" in followed["hand"], followed["hand"]


def test_the_configuration_for_a_network(followed):
    assert re.findall(r"^(?:exit|ended) (\d+)$", followed["network"], re.M) == ["0", "0", "0"], followed["network"]

# SPDX-License-Identifier: Apache-2.0
"""packaging/Containerfile built as it stands, and the relay in it: a user from its first moment, mail flows, its health is known.

No registry is asked: what `FROM` names is made from this machine's package sources. buildah builds and runs with chroot isolation
and plain copies, which needs neither a daemon nor cgroups.
"""

import json
import os
import resource
import shutil
import signal
import smtplib
import subprocess
from pathlib import Path

import pytest
from conftest import debian_sources, release
from lab.world import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
# As packaging/Containerfile says, and a resolver: of this machine's own, buildah passes on none that is on loopback.
CONFIG = """
hostname = "relay.home.test"
data_dir = "/var/lib/sealpost"
[[listener]]
address = "0.0.0.0:2525"
allow = ["127.0.0.0/8"]
[control]
socket = "/run/sealpost/control.sock"
[dns]
servers = ["127.0.0.1"]
signed_name = "ns.test"
broken_name = "mx1.any.bogus.test"
"""
FROM = "docker.io/library/debian:bookworm-slim"


class Buildah:
    def __init__(self, directory: Path):
        self.command = ["buildah", "--storage-driver", "vfs", "--root", directory / "store", "--runroot", directory / "run"]

        self.directory = directory

    def must(self, *words, **options) -> str:
        options = {"timeout": 900, "cwd": ROOT, **options}
        done = subprocess.run([*self.command, *words], capture_output=True, text=True, check=False, **options)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()


@pytest.fixture(scope="module")
def built(tmp_path_factory, debs):
    if not shutil.which("buildah"):
        pytest.skip("no buildah here (packaging/install-dependencies debtest)")
    directory = tmp_path_factory.mktemp("container")
    buildah = Buildah(directory)
    base = directory / "base.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", release(), base, "-"],
        input="\n".join(debian_sources()), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    scratch = buildah.must("from", "scratch")
    buildah.must("add", "--quiet", scratch, base, "/")
    buildah.must("commit", "--quiet", "--rm", scratch, FROM)
    base.unlink()
    said = buildah.must("build", "--quiet", "--pull-never", "--isolation", "chroot", "--format", "docker", "-t", "sealpost", "-f", "packaging/Containerfile", ".")
    assert said
    yield buildah
    buildah.must("rm", "--all")
    buildah.must("rmi", "--all", "--force")
    shutil.rmtree(directory, ignore_errors=True)


def relay_below(pid: int) -> int:
    """The first process called sealpost among its descendants: the relay, not its process for keys."""
    below = [pid]
    while below:
        one = below.pop(0)
        if Path(f"/proc/{one}/comm").read_text().strip() == "sealpost":
            return one
        for thread in Path(f"/proc/{one}/task").iterdir():
            below += [int(child) for child in (thread / "children").read_text().split()]
    raise AssertionError(f"there is no sealpost below {pid}")


def test_it_says_what_an_engine_must_know(built):
    image = json.loads(built.must("inspect", "--type", "image", "sealpost"))["Docker"]["config"]
    assert image["User"] == "sealpost" and image["Entrypoint"] == ["sealpost"] and image["Cmd"] == ["run"]
    assert image["Healthcheck"]["Test"] == ["CMD", "sealpost", "status"]
    assert "/var/lib/sealpost" in image["Volumes"] and "2525/tcp" in image["ExposedPorts"]


def test_mail_flows_through_it_and_it_stops_in_order(built, lab, tmp_path):
    container = built.must("from", "--pull-never", "sealpost")
    lab.change("container", peer="script")
    config = tmp_path / "sealpost.toml"
    config.write_text(CONFIG)
    built.must("copy", "--quiet", container, config, "/etc/sealpost/sealpost.toml")
    inside = [*built.command, "run", "--isolation", "chroot", container, "--", "sealpost"]
    said = tmp_path / "said"

    def ask(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(lab.command([*inside, "--json", *words]), capture_output=True, text=True, timeout=60, check=False)

    with open(said, "wb") as output:
        relay = subprocess.Popen(lab.command([*inside, "run"]), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            assert wait_for(lambda: ask("status").returncode == 0, 60, 1), said.read_text()[-2000:]
            process = json.loads(ask("status").stdout)["process"]
            assert process["user"] == "sealpost" and process["capabilities"] == "none"
            with lab.entered():
                client = smtplib.SMTP("127.0.0.1", 2525, timeout=30)
            with client:
                client.sendmail("anna@home.test", ["bob@container.test"], "Subject: contained\r\n\r\nhello\r\n")
            assert wait_for(lambda: lab.mail_of("container.test"), 30), said.read_text()[-2000:]
            os.kill(relay_below(relay.pid), signal.SIGTERM)  # buildah, with this isolation, kills where an engine passes signals on
            assert relay.wait(40) == 0, said.read_text()[-2000:]
            assert " stopped " in said.read_text(), said.read_text()[-2000:]
        finally:
            relay.kill()
    built.must("rm", container)


def engine(built, lab, tmp_path) -> list:
    """podman with a runtime that can start a container here; within other containers that may be none, or runc alone."""
    if not shutil.which("podman"):
        pytest.skip("no podman here (packaging/install-dependencies debtest)")
    store = ["--storage-driver", "vfs", "--root", built.directory / "store", "--runroot", built.directory / "run"]
    for runtime in ("crun", "runc"):
        if not shutil.which(runtime):
            continue
        command = lab.command(["podman", *store, "--runtime", runtime, "--cgroup-manager", "cgroupfs", "--events-backend", "file"])
        tried = subprocess.run([*command, "run", "--rm", *TERMS, "sealpost", "--version"], capture_output=True, text=True, timeout=120, check=False)
        if tried.returncode == 0:
            return command
    pytest.skip(f"no engine can start a container here: {tried.stderr[-300:]}")


# The network is the lab's; limits as they are here, which an engine would want to raise.
TERMS = ["--network", "host", "--pull", "never"] + [
    f"--ulimit={name}={':'.join(str(value) for value in resource.getrlimit(number))}"
    for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
]


def test_an_engine_runs_it_as_the_page_says(built, lab, tmp_path):
    podman = engine(built, lab, tmp_path)
    lab.change("engine", peer="script")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "sealpost.toml").write_text(CONFIG)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)

    def must(*words: str) -> str:
        done = subprocess.run([*podman, *words], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout.strip()

    must("run", "--detach", "--name", "relay", *TERMS, "--volume", "sealpost-data:/var/lib/sealpost",
         "--volume", f"{tmp_path / 'etc'}:/etc/sealpost:ro", "--stop-timeout", "60", "sealpost")  # fmt: skip
    try:
        healthy = lambda: subprocess.run([*podman, "healthcheck", "run", "relay"], capture_output=True, check=False, timeout=60).returncode == 0
        assert wait_for(healthy, 60, 1), must("logs", "relay")
        with lab.entered():
            client = smtplib.SMTP("127.0.0.1", 2525, timeout=30)
        with client:
            client.sendmail("anna@home.test", ["bob@engine.test"], "Subject: contained\r\n\r\nhello\r\n")
        assert wait_for(lambda: lab.mail_of("engine.test"), 30), must("logs", "relay")
        must("stop", "relay")
        assert must("inspect", "--format", "{{.State.ExitCode}} {{.Config.User}}", "relay") == "0 sealpost"
        # The volume is what counts: another container goes on with it.
        must("start", "relay")
        assert wait_for(healthy, 60, 1), must("logs", "relay")
        traced = json.loads(must("exec", "relay", "sealpost", "--json", "trace", "--recipient", "bob@engine.test"))
        assert traced["rows"] or traced["messages"], traced
        must("stop", "relay")
    finally:
        subprocess.run([*podman, "rm", "--force", "--time", "0", "relay"], capture_output=True, check=False, timeout=120)
        subprocess.run([*podman, "volume", "rm", "--force", "sealpost-data"], capture_output=True, check=False, timeout=120)

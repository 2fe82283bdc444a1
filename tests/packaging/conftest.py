# SPDX-License-Identifier: Apache-2.0
"""The packages of build/deb, and a fresh root that they are installed in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEBS = ROOT / "build" / "deb"
sys.path.insert(0, str(ROOT / "tests"))

from lab.world import Lab, LabError  # noqa: E402


@pytest.fixture(scope="session")
def lab():
    try:
        lab = Lab.start()
    except LabError as error:
        pytest.exit(f"the packages cannot be tested: {error}", 3)
    with lab:
        yield lab


@pytest.fixture(scope="session")
def debs() -> dict[str, Path]:
    """By package name."""
    found = {path.name.split("_")[0]: path for path in DEBS.glob("*.deb")}
    if not {"sealpost", "sealpost-mta", "libsealpost-dev"} <= set(found):
        pytest.exit("no packages in build/deb; make them with packaging/build-deb", 3)
    return found


def debian_sources() -> list[str]:
    """This machine's own sources of Debian, in one-line style; what others add to them is not our business."""
    form = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(set(listed.stdout.splitlines()))


class Fresh:
    """A Debian with nothing in it but what every Debian has."""

    def __init__(self, path: Path):
        self.path = path

    def run(self, *words: str, **options) -> subprocess.CompletedProcess:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        options = {"capture_output": True, "text": True, "timeout": 300, "env": environment, **options}
        return subprocess.run(["chroot", self.path, *words], **options)

    def must(self, *words: str, **options) -> str:
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def debs(self) -> list[str]:
        return [f"/debs/{path.name}" for path in self.file("/debs").glob("*.deb") if "dbgsym" not in path.name]

    def file(self, name: str) -> Path:
        return self.path / name.lstrip("/")


def make_root(path: Path, debs: dict[str, Path], *more: str) -> Fresh:
    """With what the packages depend on, so that apt installs them in it without a network, and `more`."""
    path.parent.chmod(0o755)
    wanted = subprocess.run(["dpkg-deb", "-f", debs["sealpost"], "Depends"], capture_output=True, text=True, check=True).stdout
    wanted = [re.split(r"[ :(|]", one.strip())[0] for one in wanted.split(",")]
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--skip=cleanup/apt", f"--include={','.join([*wanted, *more])}",
         release(), path, "-"],
        input="\n".join(debian_sources()), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    (path / "debs").mkdir()
    for deb in debs.values():
        shutil.copy(deb, path / "debs")
    return Fresh(path)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory, debs):
    root = make_root(tmp_path_factory.mktemp("fresh") / "root", debs)
    subprocess.run(["mount", "-t", "proc", "proc", root.path / "proc"], check=True)
    yield root
    subprocess.run(["umount", root.path / "proc"], check=False)
    shutil.rmtree(root.path, ignore_errors=True)


@pytest.fixture(scope="session")
def with_systemd(tmp_path_factory, debs):
    root = make_root(tmp_path_factory.mktemp("systemd") / "root", debs, "systemd", "systemd-sysv", "dbus", "iproute2", "openssl")
    yield root
    shutil.rmtree(root.path, ignore_errors=True)


def release() -> str:
    return next(line.split("=")[1] for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("VERSION_CODENAME="))

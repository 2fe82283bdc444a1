# SPDX-License-Identifier: Apache-2.0
"""What every functional test shares: one lab for the whole run."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.world import Lab, LabError  # noqa: E402


@pytest.fixture(scope="session")
def lab():
    """The small internet. Tests leave a domain they change as they found it, or use one of their own."""
    try:
        lab = Lab.start()
    except LabError as error:
        pytest.exit(f"no functional test can run: {error}", 3)
    with lab:
        yield lab


def remove_journals(directory: Path):
    """A relay's journal takes 256 MB at least; logs and databases stay for whoever looks into a failure."""
    for journal in directory.glob("**/spool/journal"):
        shutil.rmtree(journal, ignore_errors=True)


# Set up before every other fixture of their scope, hence taken down when no relay is left. A whole run starts
# some hundred relays: what they leave is removed as it goes, not at the end, or a run needs 25 GB of disk.
@pytest.fixture(scope="module", autouse=True)
def no_journals_left(tmp_path_factory):
    yield
    remove_journals(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def no_journals_left_by_a_test(request):
    yield
    if directory := request.node.funcargs.get("tmp_path"):
        remove_journals(directory)


@pytest.fixture(autouse=True)
def nothing_reported():
    """A relay built with a sanitizer goes on after some faults: what it wrote is looked through after each test."""
    from relay import sanitizer_reports

    yield
    assert not (reports := sanitizer_reports()), "\n".join(reports)


@pytest.fixture
def relay(lab, tmp_path):
    """`relay(partners=[...], delivery={...})` starts a relay with these settings; it ends with the test."""
    from relay import Relay

    started = []

    def start(**settings):
        one = Relay(lab, tmp_path / f"relay{len(started)}", **settings)
        started.append(one)
        return one.start()

    yield start
    for one in started:
        one.kill()


def pytest_runtest_setup(item):
    """A test of the relay needs one; where there is none, say so in the tally rather than fail fifty times."""
    from relay import BINARY

    if {"relay", "stage"} & set(item.fixturenames) and not BINARY.exists():
        pytest.skip(f"{BINARY} is not built")

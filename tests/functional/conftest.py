# SPDX-License-Identifier: Apache-2.0
"""What every functional test shares: one lab for the whole run."""

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

# SPDX-License-Identifier: Apache-2.0
"""The scenes that packaging/quickstart tells, played for their checks."""

import pytest
from scenes import SCENES
from stage import Stage


@pytest.fixture(scope="module")
def stage(lab, tmp_path_factory):
    stage = Stage(lab, tmp_path_factory.mktemp("scenes"), tell=lambda label, text: print(f"{label:10} {text}"))
    stage.relay.start()
    yield stage
    stage.relay.kill()


@pytest.mark.parametrize("scene", SCENES, ids=[f"{s.number:02}-{s.play.__name__}" for s in SCENES])
def test_scene(stage, scene):
    scene.play(stage)


def test_the_relay_ends_when_told(stage):
    """SIGTERM finishes what is under way and ends with success (D-28)."""
    assert stage.relay.stop() == 0

# SPDX-License-Identifier: Apache-2.0
"""Plays the scenes and prints what they tell: the third step of packaging/quickstart.

Files of the run stay in the directory given, to be looked at; processes and namespaces do not.
"""

import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.world import Lab, LabError  # noqa: E402
from relay import BINARY, RelayError, utc_day  # noqa: E402
from scenes import SCENES  # noqa: E402
from stage import SceneFailed, Stage  # noqa: E402

WIDTH = max(80, min(shutil.get_terminal_size().columns, 140))


def tell(label: str, text: str):
    wrapped = textwrap.wrap(text, WIDTH - 14, break_long_words=False) or [""]
    for number, line in enumerate(wrapped):
        print(f"  {label if number == 0 else '':11} {line}", flush=True)


def heading(text: str):
    print(f"\n{text}", flush=True)


def play_all(stage: Stage) -> list[int]:
    failed = []
    for scene in SCENES:
        heading(f"Scene {scene.number}: {scene.title}")
        try:
            scene.play(stage)
        except (SceneFailed, RelayError, LabError, OSError) as error:
            if not isinstance(error, SceneFailed):  # a scene has told its own
                tell("FAILED", str(error))
            failed.append(scene.number)
            if stage.relay.process is None or stage.relay.process.poll() is not None:
                stage.relay.start()
    return failed


def show(stage: Stage, title: str, *words: str):
    """A command as its user would type it, and its answer."""
    heading(title)
    print(f"  $ sealpost {' '.join(words)}")
    done = stage.relay.command(*words)
    print(textwrap.indent((done.stdout + done.stderr).rstrip(), "  "))


def show_files(directory: Path):
    heading("Where the data lies")
    for path in sorted(p for p in directory.rglob("*") if p.is_file()):
        print(f"  {path.stat().st_size:>10}  {path}")


def main(directory: Path) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is up comes down
    shutil.rmtree(directory, ignore_errors=True)
    began = time.monotonic()
    with Lab.start() as lab:
        tell("lab", f"up in {time.monotonic() - began:.1f} s: {len(lab.table.domains)} domains; tests/lab/README.md says what is in it")
        stage = Stage(lab, directory, tell)
        try:
            stage.relay.start()
            tell("relay", f"{BINARY} runs with {stage.relay.config}")
            failed = play_all(stage)
            show(stage, "The queue now", "queue", "list")
            show(stage, "What the relay knows of MTA-STS", "sts", "show")
            show(stage, "Sessions counted today", "report", "list")
            show(stage, "The TLS report on one domain, as it would be sent", "report", "preview", "--day", utc_day(), "--domain", "sts-wrong-name.test")
            show(stage, "The relay's own view", "status")
            stage.relay.stop()
        finally:
            stage.relay.kill()
        show_files(directory)
    heading("Everything is down again; the files above stay until the next run.")
    if failed:
        print(f"quickstart: FAILED: scenes {', '.join(map(str, failed))}", file=sys.stderr)
        return 1
    print(f"quickstart: {len(SCENES)} scenes played, all as they should be")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    except KeyboardInterrupt:
        print("\nquickstart: interrupted; everything is down", file=sys.stderr)
        sys.exit(130)
    except (LabError, RelayError) as error:
        print(f"quickstart: FAILED: {error}", file=sys.stderr)
        sys.exit(1)

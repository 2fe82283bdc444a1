# SPDX-License-Identifier: Apache-2.0
"""What every private Postfix of the tests needs, in the lab, in comparisons and in the bench: the directories that
`postfix check` would make (running it takes a second; the list has not changed in years), and the services that all
of them run. What one of them alone needs it adds."""

import os
import shutil
from pathlib import Path

OWNED = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()

SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def make(directory: Path, owner: str | int, group: str | int):
    """`queue` and `data` below `directory`; owner and group are mail_owner and setgid_group."""
    for name in ("queue", "data", "queue/pid"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    shutil.chown(directory / "data", owner)
    modes = {name: 0o700 for name in OWNED} | {"maildrop": 0o730, "public": 0o710}
    for name, mode in modes.items():
        path = directory / "queue" / name
        path.mkdir(exist_ok=True)
        shutil.chown(path, owner, group if name in ("maildrop", "public") else None)
        os.chmod(path, mode)

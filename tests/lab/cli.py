# SPDX-License-Identifier: Apache-2.0
"""The `lab` command: bring the small internet up, look at it, run something in the relay's place."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .table import Table, TableError
from .world import WORLD_FILE, Lab, LabError


def default_directory() -> Path:
    """One for each source tree, so that two trees on one machine do not meet."""
    tree = hashlib.sha256(str(Path(__file__).resolve()).encode()).hexdigest()[:8]
    return Path(os.environ.get("SEALPOST_LAB", f"{tempfile.gettempdir()}/sealpost-lab-{tree}"))


def up(arguments):
    try:
        Lab.attach(arguments.directory)
        print(f"lab: already up in {arguments.directory}")
        return
    except LabError:
        shutil.rmtree(arguments.directory, ignore_errors=True)  # left by a run that was killed
    began = time.monotonic()
    lab = Lab.start(Table.read(WORLD_FILE, *arguments.table), arguments.directory, detached=True)
    count = len(lab.table.domains)
    print(f"lab: up in {time.monotonic() - began:.1f} s with {count} domains, files in {lab.directory}")


def down(arguments):
    try:
        Lab.attach(arguments.directory).stop()
    except LabError:
        shutil.rmtree(arguments.directory, ignore_errors=True)
    print("lab: down")


def run(arguments):
    if not arguments.command:
        raise LabError("run what? for example: lab run swaks --to someone@clear.test --server mx1.clear.test")
    lab = Lab.attach(arguments.directory)
    sys.exit(subprocess.run(lab.command(arguments.command)).returncode)


def status(arguments):
    lab = Lab.attach(arguments.directory)
    for name, state in lab.status().items():
        print(f"{name:12} {state}")
    for domain in lab.table.domains.values():
        hosts = ", ".join(f"{h.name} ({h.peer} {' '.join(h.v4) or 'no address'})" for h in domain.hosts)
        print(f"{domain.fqdn:28} {hosts or 'no host'}")


def change(arguments):
    lab = Lab.attach(arguments.directory)
    lab.change(arguments.domain, **json.loads(arguments.changes))
    print(f"lab: {arguments.domain} changed")


def mail(arguments):
    lab = Lab.attach(arguments.directory)
    for item in lab.mail_of(arguments.domain):
        print(f"{item.protocol:7} from <{item.sender}> to <{item.recipient}>: {item.message['Subject']}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="lab", description="A small internet in network namespaces of its own.")
    top.add_argument("--directory", type=Path, default=default_directory(), help="where its files are")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("up", help="start it and leave it running")
    command.add_argument("table", nargs="*", type=Path, help="further TOML files with domains")
    command.set_defaults(call=up)
    command = commands.add_parser("down", help="stop it and remove its files")
    command.set_defaults(call=down)
    command = commands.add_parser("run", help="run a command where the relay runs")
    command.add_argument("command", nargs=argparse.REMAINDER)
    command.set_defaults(call=run)
    command = commands.add_parser("status", help="servers and domains")
    command.set_defaults(call=status)
    command = commands.add_parser("change", help="merge a JSON object into a domain, or add one")
    command.add_argument("domain")
    command.add_argument("changes")
    command.set_defaults(call=change)
    command = commands.add_parser("mail", help="what a domain has received")
    command.add_argument("domain", help="its full name")
    command.set_defaults(call=mail)
    return top


def main() -> int:
    arguments = parser().parse_args()
    try:
        arguments.call(arguments)
    except (LabError, TableError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0

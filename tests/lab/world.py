# SPDX-License-Identifier: Apache-2.0
"""Lab: the whole small internet as one object. Tests and tools use this and nothing below it."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from . import addresses, mailbox, namespaces
from .certificates import Authority, load_pem
from .servers import USERS, all_servers
from .table import Domain, Host, Table
from .zones import Zones, replace_file

HERE = Path(__file__).parent
WORLD_FILE = HERE / "world.toml"
UNPACKED = Path(os.environ.get("SEALPOST_SERVERS", "/var/cache/sealpost/servers"))
PYTHON = "/usr/bin/python3"
PREFIX = "sealpost-lab-"
LARGEST = 1 << 30  # octets, more than any lab has grown to


class LabError(Exception):
    """The lab cannot do what was asked; the text says what to do about it."""


class Lab:
    """Made by `Lab.start` or, for one that runs already, by `Lab.attach`."""

    def __init__(self, directory: Path, table: Table, state: dict):
        self.directory = directory
        self.table = table
        self.serial = state.get("serial", 1)
        self.number = state.get("number", 0)
        self.pids = state.get("pids", {})
        self.process: subprocess.Popen | None = None
        self.mail = directory / "mail"
        self.world_etc = directory / "etc-world"
        self.relay_etc = directory / "etc-relay"
        self.authority = Authority(directory / "ca")
        self.zones = Zones(directory / "zones")
        self.servers = {s.name: s for s in (kind(self) for kind in all_servers())}

    # Beginning and end

    @classmethod
    def start(cls, table: Table | None = None, directory: Path | None = None, detached: bool = False) -> "Lab":
        """Bring it all up. Unless detached it ends with this process, however that ends."""
        if os.geteuid() != 0:
            raise LabError("the lab needs root: it makes network and mount namespaces")
        clear_leftovers()
        directory = directory or Path(tempfile.mkdtemp(prefix=PREFIX, dir=places()[0]))
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # the servers' own users must get through
        (directory / "owner").write_text(f"{os.getpid()} {birth(os.getpid())}")
        lab = cls(directory, table or Table.read(WORLD_FILE), {})
        try:
            lab.write_everything()
            lab.launch(detached)
            lab.wait_until_up()
        except BaseException:
            lab.stop()
            raise
        lab.save()
        return lab

    @classmethod
    def attach(cls, directory: Path) -> "Lab":
        try:
            state = json.loads((directory / "state.json").read_text())
        except FileNotFoundError:
            raise LabError(f"no lab is up in {directory}; start one with `lab up`") from None
        lab = cls(directory, Table(state["domains"], state["places"]), state)
        if not lab.alive():
            raise LabError(f"the lab in {directory} has died; `lab down` clears what it left, then `lab up`")
        return lab

    def alive(self) -> bool:
        """Is process 1 of the world the one we started? Numbers are used again, start times are not."""
        return bool(self.pids) and birth(self.pids["world"]) == self.pids["birth"]

    def stop(self):
        """Ends every process of the lab and removes its directory."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pids["world"], signal.SIGTERM)
            wait_for(lambda: not self.alive(), 5)
            if self.alive():
                os.kill(self.pids["world"], signal.SIGKILL)
                wait_for(lambda: not self.alive(), 5)
        if self.process:
            self.process.kill()  # it holds nothing but process 1
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def launch(self, detached: bool):
        command = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child", PYTHON, "-m", "lab.init", str(self.directory)]
        log = open(self.directory / "log" / "init.out", "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,  # Ctrl-C goes to whoever started us, and they stop the lab
            preexec_fn=None if detached else namespaces.die_with_parent,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(HERE.parent)},
        )  # fmt: skip

    def wait_until_up(self, seconds: float = 20):
        ready = self.directory / "ready.json"
        wait_for(lambda: ready.exists() or self.process.poll() is not None, seconds)
        if not ready.exists():
            raise LabError(f"the lab did not start: {tail(self.directory / 'log' / 'init.out')}")
        answer = json.loads(ready.read_text())
        if "failed" in answer:
            raise LabError(f"the lab did not start: {answer['failed']}")
        self.pids = {**answer, "birth": birth(answer["world"])}
        self.wait_until_listening(seconds)

    def wait_until_listening(self, seconds: float = 20):
        deadline = time.monotonic() + seconds
        while missing := self.not_listening():
            name, (address, port) = missing[0]
            if time.monotonic() > deadline:
                raise LabError(f"{name} does not listen on {address} port {port}: {tail(self.log_of(name))}")
            if (code := self.status().get(name)) != "running":
                raise LabError(f"{name} ended with {code}: {tail(self.log_of(name))}")
            time.sleep(0.05)

    def not_listening(self) -> list:
        there = {n: namespaces.listening(self.pids[n]) for n in ("world", "relay")}
        return [(s.name, place) for s in self.servers.values() for place in s.listens() - there[s.namespace]]

    # Files

    def write_everything(self):
        for directory in (self.directory / "log", self.mail, self.directory / "certs"):
            directory.mkdir(parents=True, exist_ok=True)
        os.chown(self.mail, USERS["vmail"], USERS["vmail"])
        self.write_etc()
        for server in self.servers.values():
            server.prepare()
        self.write_zones()
        self.servers["nginx"].publish()
        self.write_server_files()
        self.write_plan()

    def write_etc(self):
        (self.world_etc / "exim4").mkdir(parents=True, exist_ok=True)
        self.relay_etc.mkdir(exist_ok=True)
        empty = self.directory / "var-lib" / "opensmtpd" / "empty"
        empty.mkdir(parents=True, exist_ok=True)
        accounts = Path("/etc/passwd").read_text().splitlines()
        groups = Path("/etc/group").read_text().splitlines()
        accounts = [line for line in accounts if line.split(":")[0] not in USERS]
        groups = [line for line in groups if line.split(":")[0] not in USERS]
        for name, number in USERS.items():
            accounts.append(f"{name}:x:{number}:{number}::{empty}:/usr/sbin/nologin")
            groups.append(f"{name}:x:{number}:")
        (self.world_etc / "passwd").write_text("\n".join(accounts) + "\n")
        (self.world_etc / "group").write_text("\n".join(groups) + "\n")
        (self.world_etc / "resolv.conf").write_text(f"nameserver {addresses.DNS[0]}\n")
        (self.relay_etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions edns0 trust-ad\n")
        for name in ("passwd", "group"):  # servers insist on their users, where they are satellites too
            (self.relay_etc / name).write_bytes((self.world_etc / name).read_bytes())

    def write_plan(self):
        packages = {p for s in self.servers.values() for p in s.packages}
        missing = [p for p in sorted(packages) if not (UNPACKED / p / "complete").exists()]
        if missing:
            raise LabError(f"not unpacked: {', '.join(missing)}; run `packaging/install-dependencies lab servers`")
        servers = {
            s.name: {
                "namespace": s.namespace,
                "command": s.command(),
                "environment": {"PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            }
            for s in self.servers.values()
        }
        plan = {
            "usr_layers": [str(UNPACKED / p / "usr") for p in sorted(packages)],
            "world_etc": str(self.world_etc),
            "relay_etc": str(self.relay_etc),
            # OpenSMTPD knows one place each for its spool, its socket and its empty directory.
            "var_lib": str(self.directory / "var-lib"),
            "scratch": ["/run", "/var/spool"],
            "binds": {"/var/spool/smtpd": str(self.servers["opensmtpd"].directory / "spool")},
            "servers": servers,
        }
        (self.directory / "plan.json").write_text(json.dumps(plan, indent=1))

    def write_zones(self):
        self.zones.write(self.table, self.serial, self.issued)

    def write_server_files(self) -> list[str]:
        """The names of the servers some of whose files are not what they were."""
        changed = []
        for server in self.servers.values():
            if any([put_file(path, content) for path, content in server.files().items()]):
                changed.append(server.name)
        return changed

    def save(self):
        state = {
            "serial": self.serial, "number": self.number, "pids": self.pids,
            "domains": list(self.table.raw.values()), "places": self.table.places,
        }  # fmt: skip
        replace_file(self.directory / "state.json", json.dumps(state))

    # Certificates

    @property
    def trust_file(self) -> Path:
        """The roots a relay of this world trusts."""
        return self.authority.trust_file

    def certificate(self, kind: str, host: str, domain: str) -> bytes:
        """Key and chain in PEM; issued once for each kind and host."""
        file = self.directory / "certs" / f"{host}.{kind}"
        if not file.exists():
            replace_file(file, self.authority.issue(kind, host, domain).pem())
        return file.read_bytes()

    def issued(self, host: Host):
        return load_pem(self.certificate(host.certificate, host.name, host.domain))

    def certificate_file(self, host: Host) -> Path:
        file = self.directory / "certs" / f"{host.name}.pem"
        put_file(file, self.certificate(host.certificate, host.name, host.domain))
        file.chmod(0o600)
        return file

    def policy_certificate(self, domain: Domain) -> bytes:
        """What the domain's policy host shows."""
        sts = domain.sts
        return self.certificate(sts.certificate, sts.certificate_for or domain.policy_host, domain.fqdn)

    def renew(self, kind: str, host: str):
        """Forget a certificate, so that the next one of this kind has a new key."""
        (self.directory / "certs" / f"{host}.{kind}").unlink(missing_ok=True)

    # Changing the world while it runs

    def change(self, name: str, **changes):
        """Merge `changes` into the domain (None removes a key), or add a new domain; true on return."""
        self.change_all({"name": name, **changes})

    def change_all(self, *entries: dict):
        """The same for many domains at once, each entry with its `name`."""
        self.table.change(*entries)
        self.apply()

    def remove(self, *names: str):
        self.table.remove(*names)
        self.apply()

    def apply(self):
        self.serial += 1
        self.write_zones()
        self.servers["nginx"].publish()
        for name in self.write_server_files():
            self.servers[name].reload()
        self.servers["nsd"].reload()
        self.servers["unbound"].forget()
        self.wait_until_listening()
        self.save()

    def served_serial(self) -> int | None:
        question = dns.message.make_query("test.", "SOA")
        try:
            answer = self.ask("world", question, addresses.DNS[0], 1)
        except dns.exception.Timeout:
            return None
        return answer.answer[0][0].serial if answer.answer else None

    def next_number(self) -> int:
        self.number += 1
        return self.number

    # The servers

    def tell_init(self, request: str) -> str:
        answer = namespaces.control(self.directory / "init.sock", request)
        if answer.startswith("error"):
            raise LabError(answer)
        return answer

    def signal(self, name: str, number: int):
        self.tell_init(f"signal {name} {int(number)}")

    def restart(self, name: str):
        self.tell_init(f"restart {name}")

    def status(self) -> dict:
        return json.loads(self.tell_init("status"))

    def log_of(self, name: str) -> Path:
        return self.directory / "log" / f"{name}.out"

    def dns_rules(self, *rules: dict):
        """What the lying resolver on 127.0.0.2 to .9 does from now on; nothing at all: it tells the truth."""
        replace_file(self.directory / "dns_peer" / "rules.json", json.dumps(rules))

    def dns_questions(self, server: str) -> list[dict]:
        """What the lying resolver was asked on one of its addresses, oldest first."""
        lines = (self.directory / "dns_peer" / "questions.jsonl").read_text().splitlines()
        return [q for q in map(json.loads, lines) if q["server"] == server]

    # What happened

    def mail_of(self, domain: str) -> list[mailbox.Mail]:
        """Delivered to `domain` (its full name), oldest first; all that any server has answered 250 for."""
        transit = [d for server in self.servers.values() for d in server.in_transit()]
        wait_for(lambda: not any(f.is_file() for d in transit for f in d.rglob("*")), 10, 0.05)
        return mailbox.read_maildir(self.mail / domain)

    def sessions(self, host: str) -> list[mailbox.Session]:
        """Sessions with a scripted host, or "https" for the scripted policy hosts."""
        return mailbox.read_sessions(self.directory / "peer" / "transcripts" / host)

    def fetches(self, policy_host: str = "") -> list[dict]:
        """Requests that nginx answered, oldest first."""
        log = self.directory / "log" / "nginx-access.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        entries = [json.loads(line) for line in lines]
        return [e for e in entries if policy_host in ("", e["host"])]

    # The relay's side

    def entered(self):
        """Sockets that this thread opens inside belong to the relay's namespace."""
        return namespaces.entered(self.pids["relay"])

    def command(self, command: list) -> list[str]:
        """`command` as it must be started to run in the relay's namespace; it dies with its parent."""
        return namespaces.command_in(self.pids["relay"], command)

    def connect(self, address: str, port: int, timeout: float = 10) -> socket.socket:
        with self.entered():
            return socket.create_connection((address, port), timeout)

    def ask(self, namespace: str, question: dns.message.Message, server: str, timeout: float):
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with namespaces.entered(self.pids[namespace]):
            connection = socket.socket(family, socket.SOCK_DGRAM)
        with connection:
            connection.setblocking(False)
            return dns.query.udp(question, server, timeout, sock=connection, ignore_unexpected=True)

    def resolve(self, name: str, kind: str, server: str = "127.0.0.1", timeout: float = 15):
        """Ask the relay's resolver as the relay does, with EDNS, DO and AD."""
        question = dns.message.make_query(name, kind, want_dnssec=True)
        question.flags |= dns.flags.AD
        question.id = random.getrandbits(16)
        return self.ask("relay", question, server, timeout)


def places() -> list[Path]:
    """Where labs without a directory of their own are made, the best first.

    In memory when there is room: a run leaves sixty thousand mails and transcripts, and a disk that is told of each
    free block takes minutes to remove them.
    """
    memory, disk = Path("/dev/shm"), Path(tempfile.gettempdir())
    roomy = os.path.ismount(memory) and shutil.disk_usage(memory).free > LARGEST
    return [memory, disk] if roomy else [disk]


def clear_leftovers():
    """Directories of labs whose starter was killed. Their processes died with it; see namespaces.py."""
    for directory in (d for place in places() for d in place.glob(f"{PREFIX}*")):
        try:
            pid, born = (directory / "owner").read_text().split()
            pids = json.loads((directory / "ready.json").read_text())
        except (OSError, ValueError):
            continue  # just being made, or not ours
        if birth(int(pid)) != born and not Path(f"/proc/{pids.get('world')}").exists():
            shutil.rmtree(directory, ignore_errors=True)


def put_file(path: Path, content) -> bool:
    """Write it unless it is so already; None removes it. True when something changed."""
    if content is None:
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed
    octets = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == octets:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, octets)
    return True


def birth(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None when there is none, or only its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return " | ".join(lines[-3:]) or f"nothing in {log}"


def wait_for(condition, seconds: float, step: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True

# SPDX-License-Identifier: Apache-2.0
"""Process 1 of the lab: makes the two network namespaces, starts the servers, reaps, and ends.

Started by world.py inside a fresh process namespace. It reads plan.json in the lab's directory,
writes ready.json when all is started, and obeys three words on init.sock: `signal NAME NUMBER`,
`restart NAME`, `status`. When it ends, for whatever reason, the kernel ends all the servers.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import addresses, namespaces

HOST_PROC_SELF = Path("/proc/self")  # /proc is the outer one, so this is our number out there


def run(command: list[str], text: str | None = None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")


def overlay(layers: list[str], target: str):
    run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={':'.join([*layers, target])}", target])


def scratch_and_binds(plan: dict):
    for directory in plan["scratch"]:
        run(["mount", "-t", "tmpfs", "tmpfs", directory])
    for target, source in plan["binds"].items():
        Path(target).mkdir(parents=True, exist_ok=True)
        run(["mount", "--bind", source, target])


def sysctl(name: str, value: str):
    Path("/proc/sys", *name.split(".")).write_text(value)


def world_network(relay_pid: int):
    for name in ("net.ipv4.ip_forward", "net.ipv6.ip_nonlocal_bind"):
        sysctl(name, "1")
    local = [addresses.ANSWERING_V4, addresses.ANSWERING_V6, *addresses.PRIVATE]
    batch = [
        "link set lo up",
        f"link add world type veth peer name relay netns {relay_pid}",
        f"addr add {addresses.WORLD_LINK[0]}/{addresses.LINK_V4.prefixlen} dev world",
        f"addr add {addresses.WORLD_LINK[1]}/{addresses.LINK_V6.prefixlen} dev world nodad",
        "link set world up",
        *[f"route add local {network} dev lo" for network in local],
        f"route add blackhole {addresses.SILENT_V4}",
        f"route add unreachable {addresses.UNREACHABLE_V4}",
    ]
    run(["ip", "-batch", "-"], "\n".join(batch))


def relay_network():
    batch = [
        "link set lo up",
        f"addr add {addresses.RELAY_LINK[0]}/{addresses.LINK_V4.prefixlen} dev relay",
        f"addr add {addresses.RELAY_LINK[1]}/{addresses.LINK_V6.prefixlen} dev relay nodad",
        "link set relay up",
        f"route add default via {addresses.WORLD_LINK[0]}",
        f"route add default via {addresses.WORLD_LINK[1]}",
    ]
    run(["ip", "-batch", "-"], "\n".join(batch))


class Relay:
    """A process that does nothing but hold the relay's network and mount namespaces."""

    def __init__(self, plan: dict):
        ours, its = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            self.hold(its, plan)
        its.close()
        self.socket = ours
        self.host_pid = int(self.hear())

    def hear(self) -> str:
        answer = self.socket.recv(4096).decode()
        if answer.startswith("!") or not answer:
            raise RuntimeError(f"relay namespace: {answer[1:] or 'its holder died'}")
        return answer

    def finish(self):
        """The veth pair is there now; give the relay its address and its resolv.conf."""
        self.socket.send(b"go")
        self.hear()

    @staticmethod
    def hold(parent: socket.socket, plan: dict):
        try:
            namespaces.checked(namespaces.libc.unshare(namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS), "unshare")
            parent.send(HOST_PROC_SELF.readlink().name.encode())
            parent.recv(16)
            relay_network()
            overlay([plan["relay_etc"]], "/etc")
            parent.send(b"ready")
            while True:
                signal.pause()
        except Exception as error:
            parent.send(f"!{error}".encode())
        finally:
            os._exit(1)


class Servers:
    """The running servers by name. They are started once; one that dies stays dead and is told."""

    def __init__(self, plan: dict, directory: Path, relay_pid: int):
        self.plan = plan["servers"]
        self.directory = directory
        self.relay_pid = relay_pid
        self.running: dict[str, subprocess.Popen] = {}
        self.dead: dict[str, int] = {}

    def start(self, name: str):
        settings = self.plan[name]
        command = settings["command"]
        if settings["namespace"] == "relay":
            command = namespaces.command_in(self.relay_pid, command)
        log = open(self.directory / "log" / f"{name}.out", "ab")
        self.running[name] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **settings.get("environment", {})},
        )  # fmt: skip
        self.dead.pop(name, None)

    def restart(self, name: str):
        process = self.running[name]
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.start(name)

    def reap(self):
        """Collect our own children, and as process 1 also everyone's orphans."""
        for name, process in self.running.items():
            if name not in self.dead and process.poll() is not None:
                self.dead[name] = process.returncode
        ours = {p.pid for p in self.running.values()}
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in ours:
                return
            os.waitpid(found.si_pid, 0)

    def obey(self, request: str) -> str:
        match request.split():
            case ["signal", name, number] if name in self.running:
                self.running[name].send_signal(int(number))
                return "ok"
            case ["restart", name] if name in self.running:
                self.restart(name)
                return "ok"
            case ["status"]:
                return json.dumps({n: self.dead.get(n, "running") for n in self.running})
        return f"error: not understood: {request.strip()}"


def serve(servers: Servers, listener: socket.socket):
    while True:
        readable, _, _ = select.select([listener], [], [], 0.5)
        servers.reap()
        if not readable:
            continue
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                connection.sendall(servers.obey(connection.recv(4096).decode()).encode())
            except OSError:
                pass  # whoever asked went away


def write_json(path: Path, value: dict):
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(value))
    fresh.rename(path)


def main(directory: Path):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of whoever started the lab
    plan = json.loads((directory / "plan.json").read_text())
    try:
        namespaces.new_network_and_mounts(directory / "probe")
        overlay(plan["usr_layers"], "/usr")
        relay = Relay(plan)
        overlay([plan["world_etc"]], "/etc")
        overlay([plan["var_lib"]], "/var/lib")
        scratch_and_binds(plan)
        world_network(relay.pid)
        relay.finish()
        servers = Servers(plan, directory, relay.host_pid)
    except Exception as error:
        write_json(directory / "ready.json", {"failed": str(error)})
        raise
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "init.sock"))
    listener.listen()
    for name in servers.plan:
        servers.start(name)
    pids = {"world": int(HOST_PROC_SELF.readlink().name), "relay": relay.host_pid, "at": time.time()}
    write_json(directory / "ready.json", pids)
    serve(servers, listener)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

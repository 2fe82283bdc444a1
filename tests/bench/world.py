# SPDX-License-Identifier: Apache-2.0
"""The bench's world: private network, mount and process namespaces that vanish with the script, a DNS server for
the recipient domains, and a certificate for the sink. Nothing outside the namespaces is touched."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from measure import family

MARK = "SEALPOST_BENCH_WORLD"
SINK_NETWORK = "198.18.0.0/15"  # RFC 2544: addresses set aside for benchmarks


class Missing(Exception):
    """Something the bench needs is not there; the text says what to do."""


def need(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{program} is not installed: run packaging/install-dependencies bench")
    return path


def enter():
    """Returns inside the namespaces: the first call replaces this process by one that runs there. All processes
    started from here on die with it, whatever happens, because it is the first of its process namespace."""
    if os.environ.get(MARK) == str(os.getpid()):
        return
    if os.geteuid() != 0:
        raise Missing("namespaces need root: run it as root")
    unshare = [need("unshare"), "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execve(unshare[0], [*unshare, sys.executable, *sys.argv], {**os.environ, MARK: "1"})


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    if done.returncode != 0:
        raise Missing(f"`{' '.join(map(str, command))}` failed:\n{done.stdout}")
    return done.stdout


class Server:
    """A process of the bench in the foreground, stopped by its own pid. With a counter it runs below that program,
    which writes its count when the server has ended, and must not get the signal itself."""

    def __init__(self, command, log, counter=None, **options):
        self.log, self.counted = log, counter is not None
        command = [str(word) for word in command]
        with open(log, "ab") as output:
            self.process = subprocess.Popen(counter.wrap(command) if counter else command, stdout=output,
                                            stderr=output, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        self.pid = self.process.pid

    def must_run(self):
        if self.process.poll() is not None:
            text = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
            raise Missing(f"{self.process.args[0]} ended with {self.process.returncode}:\n{text}")

    def stop(self, patience=10):
        """Ends it and waits for all its processes: none may hold a port or a file when the next server starts."""
        members = family(self.pid)
        if self.process.poll() is None:
            os.kill(members[1] if self.counted and len(members) > 1 else self.pid, signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + patience
        while left := [pid for pid in members if not ended(pid)]:
            if time.monotonic() > deadline:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


def ended(pid):
    """Orphans become children of this process, the first of its namespace, so it has to reap them."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")


def wait_for_port(server, port, address="127.0.0.1", patience=20):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        server.must_run()
        try:
            with socket.create_connection((address, port), timeout=5) as connection:
                connection.settimeout(10)
                return connection.recv(512)
        except OSError:
            time.sleep(0.05)
    raise Missing(f"nothing answers on {address}:{port} after {patience} s; see {server.log}")


def lay_over_usr(packages, scratch):
    """Servers that packaging/install-dependencies has unpacked appear in /usr, where their compiled-in paths expect
    them, for this mount namespace alone. A writable layer is needed, and overlayfs wants it on a tmpfs or the like."""
    trees = pathlib.Path(os.environ.get("SEALPOST_SERVERS", "/var/cache/sealpost/servers"))
    lower = []
    for package in packages:
        if not (trees / package / "complete").exists():
            raise Missing(f"{package} is not unpacked: run packaging/install-dependencies servers")
        lower.append(trees / package / "usr")
    scratch.mkdir()
    run("mount", "-t", "tmpfs", "none", scratch)
    (scratch / "upper").mkdir()
    (scratch / "work").mkdir()
    layers = ":".join(map(str, [*lower, "/usr"]))
    run("mount", "-t", "overlay", "overlay", "-o",
        f"lowerdir={layers},upperdir={scratch}/upper,workdir={scratch}/work", "/usr")


class World:
    def __init__(self, directory, domains):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        lay_over_usr(["unbound", "postfix"], self.directory / "usr")
        run("ip", "link", "set", "lo", "up")
        run("ip", "route", "add", "local", SINK_NETWORK, "dev", "lo")
        self._private_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2\n")
        self._certificate()
        self.dns = self._name_server(domains)

    def _private_file(self, path, text):
        """Lays `text` over `path`, visible in this mount namespace alone."""
        copy = self.directory / path.strip("/").replace("/", "-")
        copy.write_text(text)
        run("mount", "--bind", copy, os.path.realpath(path))

    def private_users(self, users):
        """Adds `users` (name, uid) with a group each to this namespace's passwd and group."""
        for path, form in (("/etc/passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"),
                           ("/etc/group", "{0}:x:{1}:\n")):
            text = pathlib.Path(path).read_text()
            text += "".join(form.format(*user) for user in users if f"\n{user[0]}:" not in text)
            self._private_file(path, text)

    def _certificate(self):
        """P-256: the cheaper signature favours whoever makes more handshakes, so not the relay."""
        self.certificate, self.key = self.directory / "sink-cert.pem", self.directory / "sink-key.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=sink.bench.test", "-keyout", self.key, "-out", self.certificate)

    def _name_server(self, domains):
        """unbound with nothing but local data: d0.bench.test ... each with one MX host at an address of its own."""
        lines = ["server:", 'username: ""', 'chroot: ""', 'directory: ""', 'pidfile: ""', "use-syslog: no", "do-daemonize: no",
                 "interface: 127.0.0.1", "access-control: 127.0.0.0/8 allow", "num-threads: 1", 'module-config: "iterator"',
                 'local-zone: "test." nodefault', 'local-zone: "." static', 'local-zone: "bench.test." static',
                 'local-data: "bench.test. 3600 SOA ns.bench.test. root.bench.test. 1 3600 900 86400 3600"',
                 'local-data: "relay.bench.test. 3600 A 127.0.0.1"']
        for number in range(domains):
            address = f"198.18.{number // 250}.{number % 250 + 1}"
            lines += [f'local-data: "d{number}.bench.test. 3600 MX 10 mx{number}.bench.test."',
                      f'local-data: "mx{number}.bench.test. 3600 A {address}"']
        path = self.directory / "unbound.conf"
        path.write_text("\n".join(lines) + "\n")
        server = Server([need("unbound"), "-d", "-c", path], self.directory / "unbound.log")
        return self._answering(server)

    @staticmethod
    def _answering(server):
        import dns.exception
        import dns.resolver
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        for _ in range(100):
            server.must_run()
            try:
                resolver.resolve("d0.bench.test", "MX", lifetime=0.5)
                return server
            except dns.exception.DNSException:
                time.sleep(0.05)
        raise Missing(f"the name server does not answer; see {server.log}")

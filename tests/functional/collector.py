# SPDX-License-Identifier: Apache-2.0
"""A collector of TLS reports in the lab's world: nginx on 443, and behind it a server that keeps every request and answers
as it is told."""

import contextlib
import http.server
import socket
import subprocess
import threading
from dataclasses import dataclass

from lab import namespaces
from lab.world import Lab, wait_for

ADDRESS = "44.128.0.90"  # in the answering range, nobody else's
ENDLESS = "endless"  # instead of a status: 201, and a body that goes on as long as somebody reads it
MOST_SENT = 64 << 20

NGINX = """\
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen {address}:443 ssl;
    ssl_certificate {directory}/tls.pem;
    ssl_certificate_key {directory}/tls.pem;
    client_max_body_size 10m;
    location / {{
      proxy_pass http://127.0.0.1:{port};
      proxy_set_header Host $host;
      proxy_buffering off;
    }}
  }}
}}
"""


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


class Handler(http.server.BaseHTTPRequestHandler):
    def take(self):
        collector: Collector = self.server.collector
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = collector.answer(self.path)
        endless, status = status == ENDLESS, 201 if status == ENDLESS else status
        headers = {k.lower(): v for k, v in self.headers.items()}
        collector.requests.append(Request(self.command, self.path, headers, body, status))
        collector.hold.wait(30)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"https://{self.headers['Host']}/elsewhere")
        if not endless:
            self.send_header("Content-Length", "0")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(MOST_SENT // 65536 if endless else 0):
                self.wfile.write(b"x" * 65536)

    do_POST = do_GET = do_PUT = take

    def log_message(self, *_):
        pass


class Collector:
    """Behind nginx on 443 of `address`. `paths` says what it answers where, else `statuses` in turn, else `status`."""

    def __init__(self, lab: Lab, host: str, domain: str, certificate: str = "good", address: str = ADDRESS):
        self.requests: list[Request] = []
        self.paths: dict[str, int | str] = {}
        self.statuses: list[int] = []
        self.status = 201
        self.hold = threading.Event()  # cleared: requests are taken and not answered
        self.hold.set()
        with namespaces.entered(lab.pids["world"]):
            listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.server = http.server.ThreadingHTTPServer(listener.getsockname(), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listener
        self.server.collector = self
        self.server.handle_error = lambda *_: None  # a client that leaves is no news
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.nginx = self.start_nginx(lab, host, domain, certificate, address)

    def start_nginx(self, lab: Lab, host: str, domain: str, certificate: str, address: str) -> subprocess.Popen:
        directory = lab.directory / f"collector-{host}"
        directory.mkdir(exist_ok=True)
        (directory / "tls.pem").write_bytes(lab.certificate(certificate, host, domain))
        port = self.server.socket.getsockname()[1]
        configuration = directory / "nginx.conf"
        configuration.write_text(NGINX.format(directory=directory, address=address, port=port))
        command = ["nginx", "-c", configuration, "-e", directory / "error.log"]
        nginx = subprocess.Popen(namespaces.command_in(lab.pids["world"], command), stdin=subprocess.DEVNULL)
        assert wait_for(lambda: (address, 443) in namespaces.listening(lab.pids["world"]), 10), nginx.poll()
        return nginx

    def answer(self, path: str) -> int | str:
        if path in self.paths:
            return self.paths[path]
        return self.statuses.pop(0) if self.statuses else self.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.nginx.terminate()
        self.nginx.wait()
        self.server.shutdown()
        self.server.server_close()

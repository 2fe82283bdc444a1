# SPDX-License-Identifier: Apache-2.0
"""An HTTPS collector of TLS reports in the lab's world: keeps every request, answers as it is told."""

import http.server
import socket
import ssl
import threading
from dataclasses import dataclass

from lab import namespaces
from lab.world import Lab

ADDRESS = "44.128.0.90"  # in the answering range, nobody else's


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def take(self):
        collector: Collector = self.server.collector
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = collector.statuses.pop(0) if collector.statuses else collector.status
        headers = {k.lower(): v for k, v in self.headers.items()}
        collector.requests.append(Request(self.command, self.path, headers, body, status))
        collector.hold.wait(30)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"https://{self.headers['Host']}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET = do_PUT = take

    def log_message(self, *_):
        pass


class Collector:
    """Listens on 443 of `address`; `status` is what it answers, after `statuses` are used up."""

    def __init__(self, lab: Lab, host: str, domain: str, certificate: str = "good", address: str = ADDRESS):
        self.requests: list[Request] = []
        self.statuses: list[int] = []
        self.status = 201
        self.hold = threading.Event()  # cleared: requests are taken and not answered
        self.hold.set()
        pem = lab.directory / f"collector-{host}.pem"
        pem.write_bytes(lab.certificate(certificate, host, domain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        with namespaces.entered(lab.pids["world"]):
            listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 443))
        self.server = http.server.ThreadingHTTPServer((address, 443), Handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)
        self.server.collector = self
        self.server.handle_error = lambda *_: None  # a client that leaves in the handshake is no news
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

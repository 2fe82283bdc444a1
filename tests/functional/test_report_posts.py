# SPDX-License-Identifier: Apache-2.0
"""`tls_rpt.receive_http`: reports of others come by HTTPS, brought by curl and by another sealpost."""

import contextlib
import gzip
import itertools
import json
import os
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from lab.world import wait_for
from relay import BINARY, Relay
from reporter import Reporter, environment_ready
from test_metrics import own_address
from test_report_mail import DAY, numbered, report_mail, send

ports = itertools.count(8460)
JSON, GZIP = "application/tlsrpt+json", "application/tlsrpt+gzip"
ADDRESS = "tls-reports@home.test"


def certificate_of(lab, directory: Path, host: str, domain: str) -> dict:
    pem = directory / "relay.pem"
    pem.touch(0o600)
    pem.write_bytes(lab.certificate("good", host, domain))
    return {"certificate": pem, "key": pem}


class Desk(Relay):
    """Takes reports on all its addresses, with TLS."""

    def __init__(self, lab, directory: Path, **tls_rpt):
        self.report_port = next(ports)
        self.address = own_address(lab)
        directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "receive": [ADDRESS],
            "receive_http": f"0.0.0.0:{self.report_port}",
            "receive_url": "https://relay.home.test/in/tlsrpt",
            **tls_rpt,
        }
        super().__init__(lab, directory, tls_rpt=settings, tls=certificate_of(lab, directory, "relay.home.test", "home.test"))

    def post(self, body: bytes, type_: str = JSON, *more: str, path: str = "/in/tlsrpt") -> tuple[int, str, str]:
        """Status (0: no answer), head and body; by curl, which believes the lab's authority and nobody else."""
        file = self.directory / "body"
        file.write_bytes(body)
        command = [
            "curl", "--silent", "--include", "--http1.1", "--max-time", "20", "--cacert", self.lab.trust_file, "--connect-to",
            f"::{self.address}:{self.report_port}", "--data-binary", f"@{file}", "--header", f"Content-Type: {type_}", *more,
            f"https://relay.home.test{path}",
        ]  # fmt: skip
        done = subprocess.run(self.lab.command(command), capture_output=True, timeout=60)
        answer = done.stdout.decode().removeprefix("HTTP/1.1 100 Continue\r\n\r\n")
        head, _, text = answer.partition("\r\n\r\n")
        return int(head.split()[1]) if head else 0, head, text

    def posts(self) -> dict:
        return self.ask("status")["report_posts"]


@pytest.fixture(scope="module")
def desk(lab, tmp_path_factory):
    one = Desk(lab, tmp_path_factory.mktemp("posts"))
    yield one.start()
    one.kill()


def packed(number: int) -> bytes:
    return gzip.compress(json.dumps(numbered(number)).encode())


def test_json_and_gzip_are_taken_and_shown(desk):
    assert desk.post(json.dumps(numbered(1)).encode())[0] == 200
    assert desk.post(packed(2), GZIP)[0] == 200
    assert desk.post(packed(3), JSON)[0] == 200  # content decides
    assert wait_for(lambda: len(desk.events("report_post")) == 3, 5, 0.1)
    line = desk.events("report_post")[0]
    assert line["taken"] == 1 and line["client"] == desk.address and line["tls"] == "yes", line
    shown = desk.command("report", "show", "--received", "--domain", "home.test", "--day", DAY).stdout
    assert "Noord B.V." in shown
    assert desk.queue() == []
    with sqlite3.connect(desk.data / "tlsrpt.db") as database:
        (notes,) = database.execute("SELECT notes FROM received_report WHERE report_id='mail-2@noord.example'").fetchone()
    assert f"came by HTTPS from {desk.address}; nobody verified" in notes


def test_a_copy_counts_once_by_whichever_way_it_comes(desk):
    for _ in range(2):
        assert desk.post(packed(10), GZIP)[0] == 200
    assert send(desk, report_mail(numbered(10)))[0] == 250
    assert wait_for(lambda: desk.events("report_mail"), 5, 0.1)
    assert desk.events("report_mail")[-1]["known"] == 1
    with sqlite3.connect(desk.data / "tlsrpt.db") as database:
        query = "SELECT count(*) FROM received_report WHERE report_id='mail-10@noord.example'"
        assert database.execute(query).fetchone() == (1,)


def test_D01_it_survives_a_kill_right_after_the_200(desk):
    assert desk.post(packed(20), GZIP)[0] == 200
    desk.kill()
    desk.start()
    assert desk.post(packed(20), GZIP)[0] == 200
    assert wait_for(lambda: desk.events("report_post")[-1]["known"] == 1, 5, 0.1)


def test_T59_nothing_else_is_there(desk):
    status, head, _ = desk.post(b"", JSON, "--request", "GET")
    assert status == 405 and "Allow: POST" in head
    for path in ("/", "/metrics", "/healthz", "/v1/status", "/login", "/in", "/in/tlsrpt/"):
        assert desk.post(packed(1), GZIP, path=path)[0] == 404, path
        assert desk.post(b"", JSON, "--request", "GET", path=path)[0] == 405, path


def test_T28_what_is_wrong_with_it_is_said(desk):
    before = desk.posts()
    assert desk.post(packed(1), "application/gzip")[0] == 415
    assert desk.post(b"x" * (11 << 20), JSON)[0] == 413
    assert desk.post(b"x", JSON, "--header", f"Content-Length: {11 << 20}")[0] == 413
    assert desk.post(packed(1), GZIP, "--header", "Transfer-Encoding: chunked")[0] == 411
    assert desk.post(b"buy now", JSON)[0] == 400
    after = desk.posts()
    assert after["refused"] - before["refused"] == 5 and after["taken"] == before["taken"]
    assert wait_for(lambda: any(e["status"] == 415 and e["client"] == desk.address for e in desk.events("report_post_refused")), 5, 0.1)


def test_a_large_report_whose_sender_asks_first_is_taken(desk):
    report = numbered(30)
    report["policies"][0]["policy"]["policy-string"] = [os.urandom(400).hex() for _ in range(2500)]
    body = json.dumps(report).encode()
    assert 2_000_000 < len(body) < 10 << 20
    begun = time.monotonic()
    status, _, text = desk.post(body, JSON, "--header", "Expect: 100-continue", "--expect100-timeout", "15")
    assert status == 200, text
    assert time.monotonic() - begun < 10  # it was told to go on


def test_a_bomb_and_what_cannot_be_read_are_kept_aside(desk):
    for body in (b"\x1f\x8b broken", gzip.compress(b" " * (50 << 20))):
        assert desk.post(body, GZIP)[0] == 200
    aside = [each for each in desk.ask("report", "aside")["reports"] if each["file"].startswith("https ")]
    assert len(aside) == 2 and all(each["why"] for each in aside)


def test_T26_who_is_slow_is_told_so_or_gives_way_and_keeps_nobody_out(desk):
    address = desk.address
    with contextlib.ExitStack() as stack:
        with desk.lab.entered():
            for _ in range(8):
                one = stack.enter_context(socket.create_connection((address, desk.report_port), timeout=5))
                one.sendall(b"\x16")
        # All places of this address are taken.
        assert wait_for(lambda: desk.post(packed(1), GZIP)[0] == 0, 5, 0.1)
    assert wait_for(lambda: desk.post(packed(1), GZIP)[0] == 200, 10, 0.2)
    assert desk.posts()["turned_away"] >= 1


def test_who_speaks_in_clear_is_not_answered(desk):
    with desk.lab.entered(), socket.create_connection((desk.address, desk.report_port), timeout=10) as one:
        one.sendall(b"POST /in/tlsrpt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert one.recv(100) == b""


def test_T46_over_the_bound_it_comes_again_later(desk):
    desk.kill()
    desk.start()
    statuses = []
    for number in range(8):  # 9 MiB each, of 64
        status, head, _ = desk.post(b"\x1f\x8b" + bytes([number]) + os.urandom(9 << 20), GZIP)
        statuses.append(status)
    assert statuses[:7] == [200] * 7 and statuses[7] == 503, statuses
    assert "Retry-After: 3600" in head
    assert send(desk, report_mail(numbered(40)))[0] in (250, 452)  # the same bound


def test_behind_a_proxy_it_is_spoken_in_clear_on_loopback(lab, tmp_path):
    one = Relay(lab, tmp_path, tls_rpt={"receive_http": f"127.0.0.1:{(port := next(ports))}"})
    with contextlib.ExitStack() as stack:
        stack.callback(one.kill)
        one.start()
        file = tmp_path / "report"
        file.write_bytes(packed(1))
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{file}"]
        done = subprocess.run(
            lab.command([*command, "-H", f"Content-Type: {GZIP}", f"http://127.0.0.1:{port}/tlsrpt"]), capture_output=True, text=True
        )
        assert done.stdout == "200"


@pytest.mark.skipif(environment_ready() != "", reason=environment_ready())
def test_another_sealpost_brings_its_report(lab, tmp_path):
    """Ours as the sender: it looks up the rua, verifies the certificate of [tls], and POSTs."""
    host, address = "in.posted.test", own_address(lab)
    url = f"https://{host}/tlsrpt"
    lab.change("posted", tlsrpt=f"v=TLSRPTv1; rua={url}", records=[f"in A {address}"])
    taker = Relay(
        lab,
        tmp_path / "taker",
        tls_rpt={"receive_http": f"{address}:443", "receive_url": url},
        tls=certificate_of(lab, tmp_path, host, "posted.test"),
    )
    sender = Reporter(lab, tmp_path / "sender", keys=False, delivery={"allow_destinations": [f"{address}/32"]})
    with contextlib.ExitStack() as stack:
        for one in (taker, sender):
            stack.callback(one.kill)
            one.start()
        sender.deliver("posted.test")
        sender.wait_counted("posted.test", 0, 1)
        sender.set_clock(1, 60)
        rows = sender.send_reports(0)
        assert rows[f"posted.test {url}"]["state"] == "sent", rows
        shown = taker.command("report", "show", "--received", "--domain", "posted.test", "--day", sender.clock.day(0)).stdout
        assert "Home" in shown, shown
        assert taker.ask("status")["report_posts"]["taken"] == 1


def test_check_compares_the_certificate_with_the_name_that_reports_are_brought_to(desk, tmp_path):
    for host, words in (("relay.home.test", None), ("reports.home.test", "tls_rpt.receive_url: ")):
        file = tmp_path / "sealpost.toml"
        file.write_text(desk.config.read_text().replace("https://relay.home.test/", f"https://{host}/"))
        said = subprocess.run(desk.lab.command([BINARY, "check", file]), capture_output=True, text=True).stderr
        assert ("no certificate of [tls] names" in said) == (words is not None), said
        assert words is None or (words in said and "no certificate of [tls] names reports.home.test" in said), said


def test_dns_show_proposes_it(desk, lab):
    lab.change("posts-bare")
    shown = desk.command("dns", "show", "posts-bare.test").stdout
    assert '"v=TLSRPTv1; rua=mailto:tls-reports@home.test,https://relay.home.test/in/tlsrpt"' in shown, shown

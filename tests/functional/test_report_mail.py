# SPDX-License-Identifier: Apache-2.0
"""`tls_rpt.receive`: reports of others come by mail to a listener, are read, kept, and relayed to nobody."""

import base64
import copy
import datetime
import email.message
import email.policy
import gzip
import json
import sqlite3

import pytest
from lab.world import wait_for
from relay import Relay, replace, to_toml
from test_reading import THEIRS

DAY = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)).strftime("%Y-%m-%d")
ADDRESS = "tls-reports@home.test"


def report_mail(report: dict | bytes, name: str = "noord.example!home.test!1!2.json.gz") -> bytes:
    octets = report if isinstance(report, bytes) else gzip.compress(json.dumps(report).encode())
    mail = email.message.EmailMessage()
    mail["From"] = "tls@noord.example"
    mail["To"] = ADDRESS
    mail["Subject"] = "Report Domain: home.test Submitter: noord.example Report-ID: <1@noord.example>"
    mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"] = "home.test", "noord.example"
    mail.set_content("This is an aggregate TLS report.\n")
    mail.add_attachment(octets, "application", "tlsrpt+gzip", filename=name)
    return mail.as_bytes(policy=email.policy.SMTP)


def numbered(number: int) -> dict:
    report = copy.deepcopy(THEIRS)
    report["report-id"] = f"mail-{number}@noord.example"
    report["date-range"] = {"start-datetime": f"{DAY}T00:00:00Z", "end-datetime": f"{DAY}T23:59:59Z"}
    return report


@pytest.fixture(scope="module")
def desk(lab, tmp_path_factory):
    one = Relay(lab, tmp_path_factory.mktemp("desk"), tls_rpt={"receive": [ADDRESS]})
    # Nobody may relay: who comes is a stranger.
    one.settings["listener"][0]["allow"] = ["192.0.2.0/24"]
    one.config.write_text(to_toml(one.settings))
    yield one.start()
    one.kill()


def send(one, octets: bytes, recipient: str = ADDRESS, sender: str = "tls@noord.example") -> tuple[int, str]:
    with one.client() as connection:
        connection.ehlo()
        connection.mail(sender)
        code, reply = connection.rcpt(recipient)
        if code != 250:
            return code, reply.decode()
        code, reply = connection.data(octets)
        return code, reply.decode()


def test_a_report_is_read_and_kept_and_a_copy_is_known(desk):
    for _ in range(2):
        code, reply = send(desk, report_mail(numbered(1)))
        assert code == 250, reply
    assert wait_for(lambda: len(desk.events("report_mail")) == 2, 5, 0.1)  # the log has a thread of its own
    first, second = desk.events("report_mail")
    assert (first["taken"], second["taken"], second["known"]) == (1, 0, 1)
    shown = desk.command("report", "show", "--received", "--domain", "home.test", "--day", DAY).stdout
    assert "Noord B.V." in shown and "certificate" in shown
    assert desk.queue() == [] and not desk.events("accepted")
    assert desk.ask("status")["intake"]["reports"] == 2


def test_who_says_so_is_kept_with_it(desk):
    send(desk, report_mail(numbered(2)))
    with sqlite3.connect(desk.data / "tlsrpt.db") as database:
        (notes,) = database.execute("SELECT notes FROM received_report WHERE report_id='mail-2@noord.example'").fetchone()
    assert "came by mail from <tls@noord.example> through 127.0.0.1 (in clear); no signature was verified" in notes


def test_it_survives_a_kill_right_after_the_250(desk):
    code, _ = send(desk, report_mail(numbered(3)))
    desk.kill()
    assert code == 250
    desk.start()
    code, _ = send(desk, report_mail(numbered(3)))
    assert code == 250
    assert wait_for(lambda: desk.events("report_mail")[-1]["known"] == 1, 5, 0.1), desk.events("report_mail")


def test_what_cannot_be_read_is_kept_aside_and_named(desk):
    code, _ = send(desk, report_mail(b"\x1f\x8b broken"))
    assert code == 250
    (aside,) = [each for each in desk.ask("report", "aside")["reports"] if each["file"].startswith("mail ")]
    assert aside["piece"] and aside["why"]
    octets = desk.command("report", "aside", str(aside["id"]), "--json").stdout
    assert base64.b64encode(b"\x1f\x8b broken").decode() in octets or "broken" in octets


def mail_with_parts(reports: list[bytes]) -> bytes:
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "tls@noord.example", ADDRESS, "Report Domain: home.test"
    mail.set_content("These are aggregate TLS reports.\n")
    for report in reports:
        mail.add_attachment(report, "application", "tlsrpt+gzip", filename="r.json.gz")
    return mail.as_bytes(policy=email.policy.SMTP)


def test_what_is_not_even_kept_aside_is_not_thanked_for(desk):
    packed = [gzip.compress(json.dumps(numbered(number)).encode()) for number in range(100, 220)]
    code, reply = send(desk, mail_with_parts(packed))
    assert code == 552 and "split it" in reply, reply
    assert wait_for(lambda: desk.events("report_mail")[-1]["not_kept"] == 1, 5, 0.1)
    line = desk.events("report_mail")[-1]
    assert line["taken"] > 90 and "more than are looked at in one mail" in line["why"]
    assert not desk.events("report_read")  # one line for the mail, however many are in it
    code, reply = send(desk, mail_with_parts(packed[-20:]))
    assert code == 250, reply


def test_a_report_of_a_day_far_ahead_is_kept_aside(desk):
    report = numbered(300)
    report["date-range"] = {"start-datetime": "2999-01-01T00:00:00Z", "end-datetime": "2999-01-01T23:59:59Z"}
    code, reply = send(desk, report_mail(report))
    assert code == 250, reply
    assert "two days from now" in desk.ask("report", "aside")["reports"][0]["why"]


def test_other_mail_is_refused_and_nobody_relays(desk):
    code, reply = send(desk, b"Subject: buy\r\n\r\nnow\r\n")
    assert code == 550 and "no TLS report" in reply
    code, reply = send(desk, b"x", recipient="b@clear.test")
    assert code == 554 and "relaying denied" in reply
    code, reply = send(desk, b"x" * (11 << 20))
    assert code == 552, reply


def test_the_addresses_change_with_a_reload(desk):
    text = desk.config.read_text()
    replace(desk.config, text.replace(ADDRESS, "other-reports@home.test"))
    desk.reload()
    assert wait_for(lambda: send(desk, report_mail(numbered(4)))[0] == 554, 10, 0.2)
    assert send(desk, report_mail(numbered(4)), recipient="Other-Reports@home.test")[0] == 250
    replace(desk.config, text.replace(f'["{ADDRESS}"]', '["no address"]'))
    checked = desk.command("check")
    assert checked.returncode == 78 and "'no address' is no mail address" in checked.stderr
    replace(desk.config, text)

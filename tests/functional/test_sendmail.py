# SPDX-License-Identifier: Apache-2.0
"""sendmail, mailq and newaliases: mail of this machine's own programs comes to the relay, or they hear that it did not."""

import subprocess
from pathlib import Path

import pytest
from lab.world import wait_for
from relay import BINARY, Relay


@pytest.fixture
def sendmail(lab, tmp_path):
    """The program under its old names, with the configuration of a relay."""

    def run(config: Path, *words: str, name: str = "sendmail", stdin: str = "") -> subprocess.CompletedProcess:
        program = tmp_path / name
        if not program.exists():
            program.symlink_to(BINARY)
        command = [program, *words] if config is None else [BINARY, "-c", config, "sendmail", *words]
        return subprocess.run(lab.command(command), input=stdin, capture_output=True, text=True, timeout=60, check=False)

    return run


def handing_in(lab, config: Path, recipient: str) -> subprocess.Popen:
    """It has its whole message and waits for what the relay says."""
    command = lab.command([BINARY, "-c", config, "sendmail", recipient])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write("hello\n")
    process.stdin.close()
    process.stdin = None  # communicate() would write to it
    return process


@pytest.fixture(scope="module", autouse=True)
def unanswered(lab, tmp_path_factory):
    """One without a relay, which gives up after its time only: the other tests need not wait for that."""
    one = Relay(lab, tmp_path_factory.mktemp("none")).start()
    one.stop()
    process = handing_in(lab, one.config, "bob@home.test")
    yield process
    process.kill()


def test_mail_of_a_program_arrives_whole(relay, lab, sendmail):
    lab.change("program", peer="script")
    one = relay(postmaster="ops@program.test")
    text = "To: Bob <bob@program.test>, root\nBcc: quiet@program.test\nSubject: two\n\n.first dot\nlast\n"
    done = sendmail(one.config, "-t", "-oi", "-F", "Cron", "-f", "cron@home.test", stdin=text)
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert wait_for(lambda: len(lab.mail_of("program.test")) == 3, 20)
    copies = lab.mail_of("program.test")
    assert {"bob@program.test", "quiet@program.test", "ops@program.test"} == {mail.recipient for mail in copies}
    text = copies[0].octets.decode().replace("\r\n", "\n")
    assert 'From: "Cron" <cron@home.test>\n' in text and "Message-ID: <" in text and "Date: " in text
    assert "\n\n.first dot\nlast\n" in text and "Bcc" not in text and copies[0].sender == "cron@home.test"


def test_what_the_relay_refuses_is_said_and_nothing_is_sent(relay, lab, sendmail):
    lab.change("program2", peer="script")
    one = relay(limits={"message_size": 65536, "recipients": 100})
    for words, text, code, said in (
        (["bob@program2.test", "no address@@"], "x\n", 65, "no address@@"),
        ([], "x\n", 65, "no recipient"),
        (["-bd"], "", 64, "sealpost run"),
        ([f"u{number}@program2.test" for number in range(101)], "x\n", 69, "at most 100"),
        (["bob@program2.test"], "x" * 70 + "\n" + ("y" * 70 + "\n") * 1000, 69, "refused"),
    ):
        done = sendmail(one.config, *words, stdin=text)
        assert (done.returncode, said in done.stderr) == (code, True), (words, done)
    assert not one.queue() and not lab.mail_of("program2.test")


def test_TLS_for_one_message_and_when_it_is_to_be_sent(relay, lab, sendmail):
    lab.change("program4", peer="script", starttls=False)
    one = relay()
    for words in (["--at", "6s"], ["--tls", "encrypt"], []):
        done = sendmail(one.config, *words, f"{'-'.join(words).strip('-') or 'plain'}@program4.test", stdin="hello\n")
        assert done.returncode == 0, done.stderr
    assert wait_for(lambda: [mail.recipient for mail in lab.mail_of("program4.test")] == ["plain@program4.test"], 20)
    waiting = {entry["recipient"]: entry for entry in one.queue()}
    why = one.command("queue", "why", waiting["at-6s@program4.test"]["id"]).stdout
    assert "waits for the time its sender wants it to be sent" in why
    assert wait_for(lambda: "at-6s@program4.test" in {mail.recipient for mail in lab.mail_of("program4.test")}, 20)
    shown = one.command("queue", "show", waiting["tls-encrypt@program4.test"]["id"]).stdout
    assert "TLS asked for: encrypt" in " ".join(shown.split()) or "encrypt" in shown
    for words, said in ((["--at", "soon"], "2h30m"), (["--at", "2001-01-01T00:00:00Z"], "long past"), (["--tls", "off"], "verify")):
        done = sendmail(one.config, *words, "x@program4.test", stdin="hello\n")
        assert (done.returncode, said in done.stderr) == (64, True), done


def test_a_relay_that_is_restarted_is_waited_for(relay, lab):
    lab.change("program3", peer="script")
    one = relay()
    one.stop()
    waiting = handing_in(lab, one.config, "bob@program3.test")
    one.start()
    said = waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 0, said
    assert wait_for(lambda: lab.mail_of("program3.test"), 20), one.command("queue", "list").stdout


def test_the_queue_and_smtp_on_standard_input(relay, sendmail):
    one = relay()
    listed = sendmail(one.config, "-bp")
    assert listed.returncode == 0 and listed.stdout == one.command("queue", "list").stdout != ""
    said = sendmail(one.config, "-bs", stdin="EHLO here.test\r\nQUIT\r\n")
    assert said.returncode == 0 and said.stdout.startswith("220 ") and "\n221 " in said.stdout
    assert sendmail(one.config, "-bi").returncode == 0


def test_by_its_old_names(sendmail):
    assert sendmail(None, name="newaliases").returncode == 0
    done = sendmail(None, "--nonsense", name="sendmail")
    assert done.returncode == 64 and done.stderr.startswith("sendmail: ")


def test_without_a_relay_it_is_to_be_tried_again(unanswered):
    said = unanswered.communicate(timeout=60)[1]
    assert unanswered.returncode == 75
    assert "no relay answers on 127.0.0.1" in said and "nothing was sent" in said

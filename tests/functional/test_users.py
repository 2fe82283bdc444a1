# SPDX-License-Identifier: Apache-2.0
"""`sealpost user`: accounts in users.db, with and without a relay, by root and by the relay's user, at a terminal and from programs."""

import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from relay import BINARY

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")
OWNER = 65534  # nobody


class Accounts:
    """A configuration with a data directory of its own, and the command."""

    def __init__(self, directory, user=None):
        self.data = directory / "data"
        self.data.mkdir(mode=0o700)
        self.config = directory / "sealpost.toml"
        self.config.write_text(f'data_dir = "{self.data}"\n')
        if user is not None:
            os.chown(self.data, user, user)

    def run(self, *words, typed="", **options):
        command = [BINARY, "-c", self.config, "user", *words]
        return subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=60, **options)

    def good(self, *words, typed=""):
        done = self.run(*words, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, name, *words, password="a password"):
        return self.good("add", name, "--password-stdin", *words, typed=password + "\n")

    def list(self):
        return {one["name"]: one for one in json.loads(self.good("list", "--json"))["users"]}

    def row(self, name):
        with sqlite3.connect(self.data / "users.db") as file:
            file.row_factory = sqlite3.Row
            return file.execute("SELECT * FROM user WHERE name = ?", [name]).fetchone()


@pytest.fixture
def passable():
    """A directory whose parents others than root may pass."""
    with tempfile.TemporaryDirectory(prefix="sealpost-users-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def accounts(tmp_path):
    return Accounts(tmp_path)


def test_an_account_from_beginning_to_end(accounts):
    assert "no accounts" in accounts.good("list")
    accounts.add("Anna@Example.org", "--sender", "anna@example.org", "--sender", "@list.example", "--messages", "10")
    anna = accounts.list()["anna@example.org"]
    assert anna["state"] == "active" and anna["senders"] == ["@list.example", "anna@example.org"]
    assert (anna["messages_per_hour"], anna["recipients_per_hour"]) == (10, 0)
    accounts.good("limit", "anna@example.org", "--recipients", "20")
    accounts.good("senders", "ANNA@example.org", "anna@example.net")
    accounts.good("disable", "anna@example.org")
    anna = accounts.list()["anna@example.org"]
    assert anna["state"] == "disabled" and anna["senders"] == ["anna@example.net"]
    assert (anna["messages_per_hour"], anna["recipients_per_hour"]) == (10, 20)
    before = accounts.row("anna@example.org")["hash"]
    accounts.good("passwd", "anna@example.org", "--password-stdin", typed="another\n")
    assert accounts.row("anna@example.org")["hash"] != before
    accounts.good("enable", "anna@example.org")
    accounts.good("senders", "anna@example.org", "--any")
    table = accounts.good("list")
    assert "anna@example.org" in table and "active" in table and "any" in table
    accounts.good("remove", "anna@example.org")
    assert accounts.list() == {}


def test_t33_what_is_kept_is_yescrypt_and_keys_and_never_the_password(accounts):
    said = accounts.add("anna", password="canary-4711")
    row = accounts.row("anna")
    assert row["hash"].startswith("$y$") and row["iterations"] >= 4096
    assert len(row["stored_key"]) == len(row["server_key"]) == 32 and len(row["salt"]) == 16
    assert "canary" not in said
    for file in accounts.data.iterdir():
        assert b"canary-4711" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_generated_password_is_alone_on_standard_output_and_another_each_time(accounts):
    made = accounts.run("add", "scanner", "--generate")
    again = accounts.run("passwd", "scanner", "--generate")
    assert made.returncode == again.returncode == 0
    assert len(made.stdout.strip()) == 29 and made.stdout.strip() != again.stdout.strip()
    assert "only now" in made.stderr and made.stdout.strip() not in made.stderr
    assert json.loads(accounts.good("passwd", "scanner", "--generate", "--json"))["password"]


@pytest.mark.parametrize(
    ("words", "typed", "code", "says"),
    [
        (["add", "anna", "--password-stdin"], "x\n", 73, "already"),
        (["add", "a\tb", "--password-stdin"], "x\n", 65, "control character"),
        (["add", "", "--password-stdin"], "x\n", 65, "empty"),
        (["add", "new", "--password-stdin", "--sender", "nonsense"], "x\n", 65, "nonsense"),
        (["add", "new", "--password-stdin"], "", 66, "no password"),
        (["add", "new", "--password-stdin"], "\n", 65, "empty"),
        (["add", "new", "--password-stdin"], "x" * 512 + "\n", 65, "511"),
        (["add", "new"], "x\n", 66, "--password-stdin"),
        (["add", "new", "--password-stdin", "--generate"], "x\n", 64, "excludes"),
        (["passwd", "ana", "--password-stdin"], "x\n", 66, "did you mean anna"),
        (["disable", "nobody-at-all"], "", 66, "no account"),
        (["enable", "nobody-at-all"], "", 66, "no account"),
        (["remove", "nobody-at-all"], "", 66, "no account"),
        (["limit", "nobody-at-all", "--messages", "1"], "", 66, "no account"),
        (["limit", "anna"], "", 64, "--messages"),
        (["limit", "anna", "--messages", "-1"], "", 64, "messages"),
        (["senders", "anna"], "", 64, "--any"),
        (["senders", "anna", "x@example.org", "--any"], "", 64, "--any"),
        (["senders", "anna", "@"], "", 65, "domain"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(accounts, words, typed, code, says):
    accounts.add("anna")
    before = accounts.list()
    done = accounts.run(*words, typed=typed)
    assert done.returncode == code and says in " ".join(done.stderr.split()), done.stderr
    assert accounts.list() == before


def test_without_a_usable_configuration_nothing_is_written_elsewhere(accounts, tmp_path):
    accounts.config.write_text('data_dir = "sealpost-data\n')
    done = accounts.run("add", "anna", "--password-stdin", typed="x\n", cwd=tmp_path)
    assert done.returncode == 78 and not (tmp_path / "sealpost-data").exists()


def test_d23_a_damaged_file_is_left_alone_and_a_locked_one_is_waited_for(accounts):
    accounts.add("anna")
    file = accounts.data / "users.db"
    good = file.read_bytes()
    file.write_bytes(b"no database at all" + good[18:])
    damaged = file.read_bytes()
    for words in (["list"], ["disable", "anna"], ["add", "otto", "--generate"]):
        done = accounts.run(*words)
        assert done.returncode == 74 and "backup" in done.stderr, done.stderr
    assert file.read_bytes() == damaged and not list(accounts.data.glob("*damaged*"))
    file.write_bytes(good)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = accounts.run("disable", "anna")
    assert done.returncode == 75 and "locked" in done.stderr
    other.execute("ROLLBACK")
    other.close()
    accounts.good("disable", "anna")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_t53_what_root_makes_belongs_to_the_owner_and_a_link_leads_root_nowhere(passable):
    accounts = Accounts(passable, user=OWNER)
    accounts.add("anna")
    for file in accounts.data.iterdir():
        assert (file.stat().st_uid, file.stat().st_gid) == (OWNER, OWNER), file
    elsewhere = passable / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    shutil.copy(accounts.data / "users.db", elsewhere / "users.db")
    for file in accounts.data.iterdir():
        file.unlink()
    (accounts.data / "users.db").symlink_to(elsewhere / "users.db")
    assert "link" in accounts.run("remove", "anna").stderr
    with sqlite3.connect(elsewhere / "users.db") as file:
        assert file.execute("SELECT count(*) FROM user").fetchone()[0] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_user_is_told_whose_directory_it_is(passable):
    accounts = Accounts(passable)
    program = shutil.copy(BINARY, passable / "sealpost")
    done = subprocess.run(
        [program, "-c", accounts.config, "user", "list"], user=OWNER, group=OWNER, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 77 and "another user" in done.stderr, done.stderr


def test_backup_copies_accounts(accounts, tmp_path):
    accounts.add("anna")
    subprocess.run([BINARY, "-c", accounts.config, "backup", tmp_path / "copy"], check=True, capture_output=True)
    with sqlite3.connect(tmp_path / "copy" / "users.db") as file:
        assert [row[0] for row in file.execute("SELECT name FROM user")] == ["anna"]


def at_terminal(accounts, *words, answers):
    """What a person sees and types; the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a run in the background has it ignored, and so would this program
        os.execv(BINARY, [str(BINARY), "-c", str(accounts.config), "user", *words])
    seen, waiting, end = "", list(answers), time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece.decode()
        if waiting and seen.endswith(waiting[0][0]):
            os.write(terminal, waiting.pop(0)[1])
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def test_a_person_is_asked_twice_and_sees_nothing_of_it(accounts):
    code, seen = at_terminal(accounts, "add", "anna", answers=[("Password for anna: ", b"s3cret\n"), ("Once more: ", b"s3cret\n")])
    assert code == 0 and "Added anna" in seen and "s3cret" not in seen, seen
    code, seen = at_terminal(accounts, "passwd", "anna", answers=[("Password for anna: ", b"qwertz1\n"), ("Once more: ", b"qwertz2\n")])
    assert code == 65 and "not the same" in seen and "qwertz" not in seen, seen
    code, seen = at_terminal(accounts, "passwd", "anna", answers=[("Password for anna: ", b"\x03")])
    assert code == -2, seen
    assert accounts.list()["anna"]["state"] == "active"

# SPDX-License-Identifier: Apache-2.0
"""The manual and the completion are made from what the program and docs/ say, so they cannot drift; here that nothing is left
out on the way, and that readers of man(7) and shells can make sense of it."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from relay import BINARY, ROOT

sys.dont_write_bytecode = True


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    if not BINARY.exists():
        pytest.skip(f"{BINARY} is not built")
    out = tmp_path_factory.mktemp("manual")
    done = subprocess.run([sys.executable, "-B", ROOT / "docs/man/generate.py", BINARY, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def commands() -> dict:
    return json.loads(subprocess.run([BINARY, "describe"], capture_output=True, text=True, check=True).stdout)


def leaves(command: dict, above=()):
    if not command["commands"]:
        yield (*above, command["name"]), command
    for below in command["commands"]:
        yield from leaves(below, (*above, command["name"]))


def plain(path) -> str:
    """Without man(7): the words that a reader sees."""
    text = re.sub(r"\\f[BIR]|\\&", "", path.read_text())
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\\ ", " ")


def test_every_command_of_help_has_its_page_and_every_option_is_in_it(made, commands):
    for words, leaf in leaves(commands):
        page = plain(made / "man" / f"sealpost-{words[1]}.8")
        assert " ".join(words) in page
        said = subprocess.run([BINARY, *words[1:], "--help"], capture_output=True, text=True, check=True).stdout
        for option in re.findall(r"(?<![\w'-])--[a-z][\w-]+", said.split("\n\nFirst steps")[0]):
            assert option in page + plain(made / "man" / "sealpost.8") or option == "--help", (words, option)
    listed = plain(made / "man" / "sealpost.8")
    assert all(f"sealpost-{command['name']} (8)" in listed for command in commands["commands"])


def test_every_key_of_the_configuration_and_of_partner_rules_is_in_the_manual(made):
    for source, page in (("docs/configuration.md", "sealpost.toml.5"), ("policies/README.md", "sealpost-policies.5")):
        keys = [key for cell in re.findall(r"^\| (`[^|]*`) \|", (ROOT / source).read_text(), re.M) for key in re.findall(r"`([^`]+)`", cell)]
        text = plain(made / "man" / page)
        assert len(keys) > 15 and not [key for key in keys if key not in text]


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here (packaging/install-dependencies debtest)")
def test_mandoc_has_nothing_to_say_and_lines_fit_a_terminal(made):
    pages = sorted((made / "man").iterdir())
    said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    for page in pages:
        shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=78", page], capture_output=True, text=True, check=True).stdout
        shown = re.sub(".\b", "", shown)
        assert not [line for line in shown.split("\n") if len(line) > 80], page.name


TYPED = pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sealpost qu", {"queue"}),
        ("sealpost queue ", {"list", "show", "why", "hold"}),
        ("sealpost --json queue l", {"list"}),
        ("sealpost queue list --st", {"--state"}),
        ("sealpost queue list --state ", {"held", "deferred"}),
        ("sealpost queue list --js", {"--json"}),
    ],
)

BASH = """source {file}
read -ra COMP_WORDS <<<"{typed}"; [[ "{typed}" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _sealpost; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What the completion system gives a function of its: the words, and compadd to say what fits.
ZSH = """words=("${{(@s: :)${{:-{typed}}}}}"); CURRENT=$#words; PREFIX=$words[CURRENT]
compadd() {{ shift; print -l -- ${{(M)@:#$PREFIX*}} }}; _files() {{ }}
complete() {{ source {file} }}; complete
"""
FISH = """source {file}; complete -C "{typed}"
"""


@TYPED
@pytest.mark.parametrize(
    ("shell", "file", "script"), [("bash", "bash/sealpost", BASH), ("zsh", "zsh/_sealpost", ZSH), ("fish", "fish/sealpost.fish", FISH)]
)
def test_shells_complete(made, shell, file, script, typed, offered):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    command = [shell, *(["-f"] if shell == "zsh" else []), "-c", script.format(file=made / file, typed=typed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert offered <= set(done.stdout.split()), done.stdout + done.stderr
    assert not done.stderr

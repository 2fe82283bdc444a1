#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual and the shells' completion, from what the program and the documentation say of themselves:

    docs/man/generate.py SEALPOST OUT

SEALPOST is the program, whose `describe` command tells what `--help` would. OUT gets man/, bash/, zsh/ and fish/.

  sealpost(8)            sealpost.md beside this, with the commands in it
  sealpost-COMMAND(8)    one for each command; sealpost-COMMAND.md beside this follows, where there is one
  sealpost.toml(5)       docs/configuration.md
  sealpost-policies(5)   policies/README.md
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import completion
from markdown import inline, roff, to_man

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def date() -> str:
    """Of the source when that is known, so that the same source makes the same manual."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


class Manual:
    def __init__(self, program: str, out: Path):
        said = lambda *words: subprocess.run([program, *words], capture_output=True, text=True, check=True).stdout  # noqa: E731
        self.root = json.loads(said("describe"))
        self.version = said("--version").strip()
        self.out = out

    def page(self, name: str, section: int, what: str, body: list[str], also: list[str]):
        title = name.upper().replace("-", "\\-")
        lines = [
            f'.TH "{title}" {section} "{date()}" "{self.version}" "sealpost manual"',
            ".SH NAME",
            f"{roff(name)} \\- {roff(what)}",
            *body,
            ".SH SEE ALSO",
            ",\n".join(f".BR {roff(one[:-3])} {one[-3:]}" for one in also).replace(",\n", " ,\n"),
        ]
        lines = "\n".join(lines).split("\n")
        lines = [line for before, line in zip([""] + lines, lines) if not (line == ".PP" and before.startswith((".SH", ".SS")))]
        (self.out / "man").mkdir(parents=True, exist_ok=True)
        (self.out / "man" / f"{name}.{section}").write_text("\n".join(lines) + "\n")

    def all_pages(self) -> list[str]:
        return ["sealpost(8)", *(f"sealpost-{c['name']}(8)" for c in self.root["commands"]), "sealpost.toml(5)", "sealpost-policies(5)"]

    def write(self):
        commands = self.root["commands"]
        body = to_man((HERE / "sealpost.md").read_text())
        (at,) = (i for i, line in enumerate(body) if "<!\\-\\- commands" in line)
        listed = [".SH COMMANDS", *(line for c in commands for line in [".TP", f".BR sealpost\\-{roff(c['name'])} (8)", inline(c["description"])])]
        body[at - 1 : at + 1] = [*listed, ".SH OPTIONS", *options(self.root)]
        synopsis = [".SH SYNOPSIS", ".B sealpost", ".RI [ OPTION ]...", ".I COMMAND", ".RI [ ARGUMENT ]..."]
        what = self.root["description"].split("\n")[0].rstrip(".")
        self.page("sealpost", 8, re.sub(r"^An? ", "", what), [*synopsis, *body, *examples(self.root)], self.all_pages()[1:])
        for command in commands:
            self.command_page(command)
        self.document("sealpost.toml", "configuration of the relay", ROOT / "docs" / "configuration.md")
        self.document("sealpost-policies", "partner rules: how well mail to a partner must be protected", ROOT / "policies" / "README.md")

    def command_page(self, command: dict):
        name = f"sealpost-{command['name']}"
        leaves = list(leaves_of(command, ("sealpost",)))
        body = [".SH SYNOPSIS"]
        for words, leaf in leaves:
            body += [".HP 4", synopsis_of(words, leaf)]
        body += [".SH DESCRIPTION", sentence(command["description"])]
        for words, leaf in leaves:
            if leaf is command:
                if visible(leaf):
                    body += [".SH OPTIONS", *options(leaf)]
                continue
            body += [f".SS {roff(' '.join(words[1:]))}", sentence(leaf["description"]), *options(leaf)]
        more = HERE / f"{name}.md"  # what no option can say
        if more.exists():
            body += to_man(more.read_text())
        body += [".PP", "Options that every command takes, and exit codes:", ".BR sealpost (8)."]
        body += examples(command)
        self.page(name, 8, lower_first(command["description"].split("\n")[0].rstrip(".")), body, ["sealpost(8)"])

    def document(self, name: str, what: str, source: Path):
        text = re.sub(r"^# .*\n", "", source.read_text())
        first = re.search(r"^## ", text, re.M)
        text = "## Description\n\n" + text if not first or text[: first.start()].strip() else text
        self.page(name, 5, what, to_man(text), ["sealpost(8)", "sealpost.toml(5)", "sealpost-policies(5)"])


def lower_first(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def sentence(text: str) -> str:
    return inline(text.replace("\n", " ").strip().rstrip(".") + ".")


def visible(command: dict) -> list[dict]:
    return [option for option in command["options"] if "--help" not in option["names"]]


def leaves_of(command: dict, above: tuple):
    """Commands that do something, each with the words it is called by."""
    words = (*above, command["name"])
    if not command["commands"]:
        yield words, command
    for below in command["commands"]:
        yield from leaves_of(below, words)


def value_of(option: dict) -> str:
    """What stands for the value: its kind, or the choices."""
    kind = option.get("value", "")
    if choices := re.search(r"\{(.*)\}", kind):
        return choices[1].replace(",", "|")
    return {"TEXT": "VALUE", "UINT": "N", "INT": "N"}.get(kind.split(":")[0], kind.split(":")[0])


def synopsis_of(words: tuple, leaf: dict) -> str:
    out = [f"\\fB{roff(' '.join(words))}\\fR"]
    for option in visible(leaf):
        if "positional" in option:
            text = f"\\fI{roff(option['positional'])}\\fR" + ("..." if option["many"] else "")
        else:
            text = f"\\fB{roff(option['names'][-1])}\\fR" + (f"\\ \\fI{roff(value_of(option))}\\fR" if "value" in option else "")
        out.append(text if option["required"] else f"[{text}]")
    return " ".join(out)


def options(command: dict) -> list[str]:
    out = []
    for option in visible(command):
        if "positional" in option:
            tag = f"\\fI{roff(option['positional'])}\\fR"
        else:
            tag = ", ".join(f"\\fB{roff(name)}\\fR" for name in option["names"])
            tag += f" \\fI{roff(value_of(option))}\\fR" if "value" in option else ""
        default = f" Default: {option['default']}." if "default" in option else ""
        out += [".TP 4", tag, sentence(option["description"]) + inline(default)]
    return out


def examples(command: dict) -> list[str]:
    """The text at the end of --help: indented lines are a command and what it does, the others are prose."""
    out, before = [], ""
    for line in command.get("footer", "").strip().split("\n"):
        if shown := re.match(r"\s+(\S.*?)(?:\s{2,}(.*))?$", line):
            out += [".TP 4", f"\\fB{roff(shown[1])}\\fR", inline(shown[2] or "") or "\\&"]
        elif line.strip():
            out += [inline(line)] if before.strip() and not before.startswith(" ") else [".PP", inline(line)]
        before = line
    return [".SH EXAMPLES", *out] if out else []


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    manual = Manual(sys.argv[1], Path(sys.argv[2]))
    manual.write()
    completion.write(manual.root, manual.out)


if __name__ == "__main__":
    main()

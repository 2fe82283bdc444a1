# SPDX-License-Identifier: Apache-2.0
"""Completion for bash, zsh and fish: commands, options and choices as tables, and a few lines of each shell that walk them."""

import re
from pathlib import Path

TAKES_A_FILE = {"--config", "-c", "--rule", "--against", "--socket"}


def walk(command: dict, path: tuple = ()):
    yield path, command
    for below in command["commands"]:
        yield from walk(below, (*path, below["name"]))


def choices_of(option: dict) -> list[str]:
    found = re.search(r"\{(.*)\}", option.get("value", ""))
    return found[1].split(",") if found else []


def names_of(command: dict) -> list[str]:
    return [name for option in command["options"] for name in option["names"]]


def first_line(text: str) -> str:
    return text.split("\n")[0]


BASH = """# Completion of sealpost for bash; made by docs/man/generate.py.

_sealpost() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} path= word next i
  local -A commands=(
@COMMANDS@
  )
  local -A options=(
@OPTIONS@
  )
  local -A choices=(
@CHOICES@
  )
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ " ${commands[_$path]} " == *" $word "* ]] && path="${path:+$path }$word"
  done
  case $previous in
    @FILES@) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  if [[ -n ${choices[_$path $previous]} ]]; then
    next=${choices[_$path $previous]}
  elif [[ $current == -* ]]; then
    next="${options[_$path]} ${options[_]}"
  else
    next=${commands[_$path]}
  fi
  mapfile -t COMPREPLY < <(compgen -W "$next" -- "$current")
  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _sealpost sealpost
"""

ZSH = """#compdef sealpost
# Completion of sealpost for zsh; made by docs/man/generate.py.

local -A below flags picks
below=(
@COMMANDS@
)
flags=(
@OPTIONS@
)
picks=(
@CHOICES@
)
local at=_ word previous=${words[CURRENT-1]}
for word in ${words[2,CURRENT-1]}; do
  [[ " ${below[$at]} " == *" $word "* ]] || continue
  [[ $at == _ ]] && at=_$word || at="$at $word"
done
if [[ " @FILES@ " == *" $previous "* ]]; then
  _files
elif [[ -n ${picks[$at $previous]} ]]; then
  compadd -- ${=picks[$at $previous]}
elif [[ $PREFIX == -* ]]; then
  compadd -- ${=flags[$at]} ${=flags[_]}
elif [[ -n ${below[$at]} ]]; then
  compadd -- ${=below[$at]}
else
  _files
fi
"""


def pairs(tables: dict, form: str) -> str:
    return "\n".join(form.format(key, value) for key, value in tables.items() if value)


def write(root: dict, out: Path):
    commands = {"_" + " ".join(path): " ".join(c["name"] for c in command["commands"]) for path, command in walk(root)}
    options = {"_" + " ".join(path): " ".join(names_of(command)) for path, command in walk(root)}
    choices = {
        f"_{' '.join(path)} {name}": " ".join(choices_of(option))
        for path, command in walk(root) for option in command["options"] for name in option["names"] if choices_of(option)
    }  # fmt: skip
    for shell, name, text, form, between in (
        ("bash", "sealpost", BASH, '    ["{}"]="{}"', "|"),
        ("zsh", "_sealpost", ZSH, '  "{}" "{}"', " "),
    ):
        for place, tables in (("@COMMANDS@", commands), ("@OPTIONS@", options), ("@CHOICES@", choices)):
            text = text.replace(place, pairs(tables, form))
        put(out / shell / name, text.replace("@FILES@", between.join(sorted(TAKES_A_FILE))))
    put(out / "fish" / "sealpost.fish", fish(root))


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(root: dict) -> str:
    lines = [
        "# Completion of sealpost for fish; made by docs/man/generate.py.",
        "",
        "# True when the commands typed so far are these, in this order, and none of those below them.",
        "function __sealpost_at",
        "  set -l typed",
        "  for word in (commandline -opc)[2..-1]",
        "    string match -q -- '-*' $word; or set -a typed $word",
        "  end",
        '  test "$typed" = "$argv"; or string match -q -- "$argv *" "$typed"',
        "end",
        "",
    ]
    for path, command in walk(root):
        at = f"-n {quoted(('__sealpost_at ' + ' '.join(path)).strip())}" if path else ""
        only = at or "-n __fish_use_subcommand"
        for below in command["commands"]:
            lines.append(f"complete -c sealpost {only} -f -a {below['name']} -d {quoted(first_line(below['description']))}")
        for option in command["options"]:
            if not option["names"]:
                continue
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option["names"])
            value = ""
            if "value" in option:
                value = " -r" + ("F" if set(option["names"]) & TAKES_A_FILE else " -f")
                value += f" -a {quoted(' '.join(choices_of(option)))}" if choices_of(option) else ""
            lines.append(f"complete -c sealpost {at} {names}{value} -d {quoted(first_line(option['description']))}".replace("  ", " "))
    return "\n".join(lines) + "\n"


def put(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

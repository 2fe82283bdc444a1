# SPDX-License-Identifier: Apache-2.0
"""What commands answer with --json, held against docs/json/answers.schema.json (test_answers.py).

Of JSON Schema as much as that file uses. Stricter in one thing: a member that is not in the schema is an error here, because
nobody has written down what it means; to everybody else it is something new, to be passed over.
"""

import json
import re
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "json" / "answers.schema.json"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}


class Answers:
    def __init__(self, file: Path = FILE):
        self.defs = json.loads(file.read_text())["$defs"]

    def command(self, words) -> str | None:
        """The name of its schema: 'queue list' for `--json queue list --limit 5`."""
        plain = [str(word) for word in words if not str(word).startswith("-")]
        for length in (3, 2, 1):
            if (name := " ".join(plain[:length])) in self.defs:
                return name
        return None

    def wrong(self, name: str, value) -> list[str]:
        return list(self.look(self.defs[name], value, name))

    def look(self, schema: dict, value, where: str):
        if "$ref" in schema:
            schema = self.defs[schema["$ref"].removeprefix("#/$defs/")]
        if "anyOf" in schema:
            tried = [list(self.look(one, value, where)) for one in schema["anyOf"]]
            if all(tried):
                yield from min(tried, key=len)
            return
        kinds = schema.get("type", list(TYPES))
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(isinstance(value, TYPES[kind]) and (kind == "boolean") >= isinstance(value, bool) for kind in kinds):
            yield f"{where}: {json.dumps(value)[:80]} is not of type {' or '.join(kinds)}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} is not like {schema['pattern']}"
        if isinstance(value, dict):
            yield from self.members(schema, value, where)
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                yield from self.look(schema["items"], item, f"{where}[{i}]")

    def members(self, schema: dict, value: dict, where: str):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", False)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}.{name}: is missing"
        for name, member in value.items():
            if name in known:
                yield from self.look(known[name], member, f"{where}.{name}")
            elif isinstance(others, dict):
                yield from self.look(others, member, f"{where}.{name}")
            elif not others and ("properties" in schema or "required" in schema):
                yield f"{where}.{name}: is not in the schema"


def check(words, text: str):
    """Of a command with --json that went well, and has said something."""
    answers = Answers()
    if (name := answers.command(words)) is None:
        raise AssertionError(f"docs/json/answers.schema.json does not say what {' '.join(map(str, words))} answers")
    if wrong := answers.wrong(name, json.loads(text)):
        raise AssertionError("not as docs/json/answers.schema.json has it: " + "; ".join(wrong[:5]))


def check_done(words, done):
    """A command that has ended: what it says on standard output, and what is wrong on standard error."""
    words = [str(word) for word in words]
    plain = [word for word in words if not word.startswith("-")]
    if "--csv" in words or "--help" in words or plain[:2] == ["evidence", "export"] or (plain[:2] == ["report", "aside"] and len(plain) > 2):  # octets as they came
        return
    if done.stdout.strip():
        check(words, done.stdout)
    elif done.returncode != 0:
        assert not (wrong := Answers().wrong("error", json.loads(done.stderr))), wrong

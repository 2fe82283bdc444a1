"""Threats (T-nn) and durability rules (D-nn): every rule has a test that carries its number, cited by code or not.
`--list` prints every number with the places that cite it."""
import re
from collections import defaultdict

RULE = re.compile(r"\b([TD])-(\d\d)(?:\.\.(?:\1-)?(\d\d))?\b")
# All rules there are.
RULES = [f"T-{n:02}" for n in range(1, 63)] + [f"D-{n:02}" for n in range(1, 29)]
TEXT = {".hpp", ".cpp", ".py", ".toml", ".md", ""}


def cited(root, folder):
    """{rule: [file:line]}; a range D-01..D-18 counts for each number in it."""
    places = defaultdict(list)
    for path in sorted((root / folder).rglob("*")):
        if not path.is_file() or path.suffix not in TEXT or "checks" in path.parts or "corpus" in path.parts:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for kind, first, last in RULE.findall(line):
                for rule in range(int(first), int(last or first) + 1):
                    places[f"{kind}-{rule:02}"].append(f"{path.relative_to(root)}:{number}")
    return places


def in_code(root):
    places = cited(root, "src")
    for rule, more in cited(root, "include").items():
        places[rule] += more
    return places


def check(root):
    code, tests = in_code(root), cited(root, "tests")
    problems = [f"{code[rule][0]}: {rule} is cited here, but no test carries its number"
                for rule in sorted(code) if rule not in tests]
    # Only where the whole tree is looked at: the checks' own tests have small ones.
    if (root / "tests" / "unit" / "spool").exists():
        problems += [f"tests: no test carries {rule}" for rule in RULES if rule not in tests]
    return f"{len(code)} rules cited by code, {len(tests)} by tests", problems


def listing(root):
    code, tests = in_code(root), cited(root, "tests")
    lines = []
    for rule in sorted(set(code) | set(tests)):
        lines.append(f"{rule}")
        lines += [f"  code  {place}" for place in code.get(rule, [])]
        lines += [f"  test  {place}" for place in tests.get(rule, [])]
    return "\n".join(lines)

"""Coroutine constructs that GCC 12.2 miscompiles without a warning are rejected with clang-query: the rules are in
coroutines/rules.query, an example of each in coroutines/bad.cpp, the right way beside it in coroutines/good.cpp.
Before the tree is looked at, the rules must find exactly what bad.cpp expects and nothing in good.cpp.

The files of a room are read as one, as the grouped builds compile them: headers are most of the work. So a name that is
local to two files of a room is found here, too. A room is looked at again only when a file of it, a header it includes
or the rules have changed; results are kept in build/checks-coroutines.json."""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import tempfile

from sources import quoted_includes, sources

TOOL = "clang-query-14"
RULES = "tests/checks/coroutines/rules.query"
BAD = "tests/checks/coroutines/bad.cpp"
GOOD = "tests/checks/coroutines/good.cpp"
CACHE = "build/checks-coroutines.json"
FLAGS = ["-std=c++20", "-xc++", "-Iinclude", "-Isrc", "-I/usr/include/doctest", "-w"]
WHY = {
    "condition": "co_await in a condition; await into a named value first",
    "aggregate": "braced aggregate in an expression that awaits; name it on the line above",
    "closure": "lambda in an expression that awaits; name it on the line above",
    "choice": "?: between class values in an expression that awaits; use if",
    "binding": "structured binding straight from co_await; name the result first",
    "macro": "co_await inside a test macro; await into a named value first",
}
MACRO = re.compile(r"\b(?:CHECK|REQUIRE|WARN|assert)\w*\s*\(.*\bco_await\b")


ROOMS = ("src", "tests/unit")  # below which the files of a folder are compiled together


def query(root, files):
    """[(file, line, rule)] of files that are read as one."""
    known = {os.path.realpath(path): path for path in files}
    shown = " ".join(str(path.relative_to(root)) for path in files[:3])
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as together:
        together.writelines(f'#include "{path}"\n' for path in files)
        together.flush()
        command = [TOOL, "-f", RULES, together.name, "--", *FLAGS, *sorted({f"-I{path.parent}" for path in files})]
        run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    output = run.stdout + run.stderr
    if run.returncode != 0 or "Error parsing" in output or re.search(r": (?:fatal )?error:", output):
        lines = [line for line in output.splitlines() if "rror" in line]
        advice = "; what two files of a room name alike differs, or comes from a header" if "redefinition" in output else ""
        raise RuntimeError(f"{shown}: {TOOL} could not read it: {lines[0] if lines else output[:200]}{advice}")
    found = set()
    for file, line, rule in re.findall(r'^(.+?):(\d+):\d+: note: "([\w-]+)" binds here$', output, re.M):
        path = known.get(os.path.realpath(os.path.join(root, file)))
        if path:
            found.add((path, int(line), rule))
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if MACRO.search(line):
                found.add((path, number, "macro"))
    return sorted(found)


def rooms(root, files):
    """The files of a room together; of other folders, whose files are programs, each alone."""
    together = {}
    for path in files:
        room = path.relative_to(root).parent
        grouped = any(room.is_relative_to(base) for base in ROOMS)
        together.setdefault(room if grouped else path, []).append(path)
    return list(together.values())


def self_test(root):
    problems = []
    expected = set()
    for number, line in enumerate((root / BAD).read_text().splitlines(), 1):
        for rule in re.findall(r"// expect: (\w+)", line):
            expected.add((number, rule))
    found = {(line, rule) for _, line, rule in query(root, [root / BAD])}
    for line, rule in sorted(expected - found):
        problems.append(f"{BAD}:{line}: the rules do not find '{rule}' here")
    for line, rule in sorted(found - expected):
        problems.append(f"{BAD}:{line}: the rules find '{rule}', which is not expected here")
    problems += [f"{GOOD}:{line}: the rules reject good code as '{rule}'" for _, line, rule in query(root, [root / GOOD])]
    untested = set(WHY) - {rule for _, rule in expected}
    problems += [f"{BAD}: no example of '{rule}'" for rule in sorted(untested)]
    return problems


class Fingerprints:
    """Of a file: its text and, transitively, that of the project headers it includes."""

    def __init__(self, root):
        self.root, self.known = root, {}
        tool = subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=True).stdout
        self.base = hashlib.sha256((tool + " ".join(FLAGS) + (root / RULES).read_text() + MACRO.pattern).encode()).hexdigest()

    def closure(self, path, seen):
        if path in seen:
            return
        seen.add(path)
        if path not in self.known:
            text = path.read_text()
            places = [path.parent, self.root / "include", self.root / "src"]
            targets = [next((p / t for p in places if (p / t).is_file()), None) for _, t in quoted_includes(text)]
            self.known[path] = (hashlib.sha256(text.encode()).hexdigest(), [t.resolve() for t in targets if t])
        for target in self.known[path][1]:
            self.closure(target, seen)

    def of(self, files):
        seen = set()
        for path in files:
            self.closure(path, seen)
        parts = sorted(self.known[p][0] for p in seen)
        return hashlib.sha256((self.base + " ".join(map(str, files)) + "".join(parts)).encode()).hexdigest()


def load_cache(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def save_cache(path, cache):
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(cache))
    temporary.replace(path)


def check(root):
    planted = {root / BAD, root / GOOD}
    files = [path for path in sources(root, "include", "src", "tests")
             if path not in planted and "co_await" in path.read_text()]
    fingerprints = Fingerprints(root)
    old, new, todo = load_cache(root / CACHE), {}, []
    for room in rooms(root, files):
        key = fingerprints.of(room)
        if key in old:
            new[key] = old[key]
        else:
            todo.append((room, key))

    problems = self_test(root)
    if problems:
        return "self-test", problems

    def one(job):
        room, key = job
        return key, query(root, room)

    workers = int(os.environ.get("JOBS", 0)) or os.cpu_count() or 2
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for future in concurrent.futures.as_completed([pool.submit(one, job) for job in todo]):
            try:
                key, found = future.result()
                new[key] = [f"{path.relative_to(root)}:{line}: {WHY[rule]}" for path, line, rule in found]
            except RuntimeError as error:
                problems.append(str(error))
    save_cache(root / CACHE, new)
    problems += sorted(problem for found in new.values() for problem in found)
    looked = sum(len(room) for room, _ in todo)
    return f"{len(files)} files with coroutines, {looked} looked at", problems

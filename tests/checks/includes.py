"""Includes point one way: the table of docs/architecture.md says which folder of src may use which others and
which libraries, and every #include line must agree with it. Public headers (include/sealpost) stand on nothing but
each other and the standard library."""
import re

from sources import quoted_includes, sources, system_includes

TABLE = "docs/architecture.md"
# How the header of a library is recognised, by the name the table uses.
LIBRARIES = {
    "libevent": r"event2/|evhttp|evutil",
    "openssl": r"openssl/",
    "c-ares": r"ares(_\w+)?\.h",
    "sqlite": r"sqlite3\.h",
    "curl": r"curl/",
    "json": r"nlohmann/",
    "toml": r"toml\+\+/|toml\.hpp",
    "cli11": r"CLI/",
    "fmt": r"fmt/",
    "zlib": r"zlib\.h",
    "idn2": r"idn2\.h",
    "seccomp": r"seccomp\.h",
    "cap-ng": r"cap-ng\.h",
}


def words(cell):
    return set(re.findall(r"[\w-]+", cell))


def read_table(root):
    """{folder or file: (may use, libraries)} in the order of the table, and what is wrong with the table itself."""
    table, problems = {}, []
    lines = (root / TABLE).read_text().splitlines()
    for number, line in enumerate(lines, 1):
        match = re.match(r"\| `src/([\w./]+)` \|([^|]*)\|([^|]*)\|", line)
        if not match:
            continue
        folder, uses, libraries = match.group(1), words(match.group(2)), words(match.group(3))
        for name in sorted(uses - set(table)):
            problems.append(f"{TABLE}:{number}: {folder} may use {name}, which does not stand above it")
        for name in sorted(libraries - set(LIBRARIES)):
            problems.append(f"{TABLE}:{number}: no library is called {name}; there are: {', '.join(sorted(LIBRARIES))}")
        table[folder] = (uses, libraries)
    for folder in sorted(path.name for path in (root / "src").iterdir() if path.is_dir()):
        if folder not in table:
            problems.append(f"{TABLE}: src/{folder} has no row in the table")
    return table, problems


def check_file(path, name, folder, uses, libraries):
    text = path.read_text()
    for number, target in quoted_includes(text):
        top = target.split("/")[0]
        if "/" not in target:
            yield f'{name}:{number}: "{target}": write the path from src, "{folder}/{target}"'
        elif top not in uses | {folder, "sealpost"}:
            yield f"{name}:{number}: {folder} may not use {top} ({TABLE})"
    for number, target in system_includes(text):
        for library, pattern in LIBRARIES.items():
            if re.match(pattern, target) and library not in libraries:
                yield f"{name}:{number}: {folder} may not use {library} ({TABLE})"


def check(root):
    table, problems = read_table(root)
    files = 0
    for path in sources(root, "src"):
        inside = path.relative_to(root / "src")
        row = str(inside) if str(inside) in table else inside.parts[0]
        if row in table:
            problems += check_file(path, path.relative_to(root), inside.parts[0], *table[row])
        files += 1
    for path in sources(root, "include"):
        problems += check_file(path, path.relative_to(root), "sealpost", set(), set())
        files += 1
    return f"{files} files", problems

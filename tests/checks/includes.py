"""Includes point one way: the table of docs/architecture.md says which room of src may use which others and
which libraries, and every #include line must agree with it. A room is a folder, a folder in a folder, or a file with a
row of its own (without its ending: the file and its header); the row that names most of a path counts. Who may use a
folder may use the rooms in it. Public headers (include/sealpost) stand on nothing but each other and the standard library. What
tests include must be there: they are compiled long after the rest, and a header that has moved is found here in a second."""
import re

from sources import quoted_includes, sources, system_includes

TABLE = "docs/architecture.md"
# How the header of a library is recognised, by the name the table uses.
LIBRARIES = {
    "libevent": r"event2/|evhttp|evutil",
    "openssl": r"openssl/",
    "c-ares": r"ares(_\w+)?\.h",
    "sqlite": r"sqlite3\.h",
    "crypt": r"crypt\.h",
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
    return set(re.findall(r"[\w/.-]+", cell))


def read_table(root):
    """{room: (may use, libraries)} in the order of the table, and what is wrong with the table itself."""
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
        if not any(room == folder or room.startswith(f"{folder}/") for room in table):
            problems.append(f"{TABLE}: src/{folder} has no row in the table")
    return table, problems


def room_of(path, table):
    """The room that holds `path`, which is written from src. None: no row speaks of it."""
    rooms = [room for room in table if path.startswith((room + "/", room + ".")) or path == room]
    return max(rooms, key=len, default=None)


def check_file(path, name, room, table):
    uses, libraries = table.get(room, (set(), set()))
    text = path.read_text()
    for number, target in quoted_includes(text):
        used = "sealpost" if target.startswith("sealpost/") else room_of(target, table) or target.split("/")[0]
        if "/" not in target:
            folder = "/".join(name.parts[1:-1])
            yield f'{name}:{number}: "{target}": write the path from src, "{folder}/{target}"'
        elif not any(used == known or used.startswith(known + "/") for known in uses | {room, "sealpost"}):
            yield f"{name}:{number}: {room} may not use {used} ({TABLE})"
    for number, target in system_includes(text):
        for library, pattern in LIBRARIES.items():
            if re.match(pattern, target) and library not in libraries:
                yield f"{name}:{number}: {room} may not use {library} ({TABLE})"


def check_test(root, path):
    for number, target in quoted_includes(path.read_text()):
        if not any((folder / target).is_file() for folder in (path.parent, root / "src", root / "include")):
            yield f'{path.relative_to(root)}:{number}: "{target}" is neither beside it nor in src'


def check(root):
    table, problems = read_table(root)
    files = 0
    for path in sources(root, "src"):
        name = path.relative_to(root)
        room = room_of(str(path.relative_to(root / "src")), table)
        problems += (check_file(path, name, room, table) if room is not None
                     else [f"{name}: lies in no room of the table ({TABLE})"])
        files += 1
    for path in sources(root, "include"):
        problems += check_file(path, path.relative_to(root), "sealpost", table)
        files += 1
    for path in sources(root, "tests"):
        problems += check_test(root, path)
        files += 1
    return f"{files} files", problems

"""Every C++ file is as clang-format 14 leaves it with the .clang-format of this tree. `--fix` applies it."""
import concurrent.futures
import os
import re
import subprocess

from sources import sources

TOOL = "clang-format-14"
FOLDERS = ("include", "src", "tests")
AT_ONCE = 50  # the tool's own start costs more than a file does


def misformatted(root, files):
    """{file: its first line that would change}"""
    command = [TOOL, "--dry-run", *(str(path.relative_to(root)) for path in files)]
    run = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    found = {}
    for name, line in re.findall(r"^(\S+?):(\d+):\d+: warning: code should be clang-formatted", run.stderr, re.M):
        found.setdefault(name, int(line))
    return found


def check(root):
    files = sources(root, *FOLDERS)
    pieces = [files[i : i + AT_ONCE] for i in range(0, len(files), AT_ONCE)]
    found = {}
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", 0)) or os.cpu_count() or 2) as pool:
        for piece in pool.map(lambda piece: misformatted(root, piece), pieces):
            found.update(piece)
    problems = [f"{name}:{line}: not formatted (tests/checks/run --fix formatting)" for name, line in sorted(found.items())]
    return f"{len(files)} files", problems


def fix(root):
    files = [str(path) for path in sources(root, *FOLDERS)]
    subprocess.run([TOOL, "-i", *files], check=True)

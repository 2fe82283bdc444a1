"""The benches compile: no suite builds them (they are made on demand), so a change elsewhere could break one unseen."""
import concurrent.futures
import os
import subprocess

FOLDER = "tests/bench"
COMMAND = ["g++", "-std=c++20", "-fsyntax-only", "-w", "-Iinclude", "-Isrc"]


def compiled(root, path):
    """The first error of one source; none when it compiles."""
    run = subprocess.run([*COMMAND, path.relative_to(root)], cwd=root, capture_output=True, text=True)
    if run.returncode == 0:
        return None
    lines = [line for line in run.stderr.splitlines() if "error:" in line]
    return lines[0] if lines else f"{path.relative_to(root)}: {run.stderr.strip()[:200]}"


def check(root):
    files = sorted(path for path in (root / FOLDER).glob("*.cpp") if not path.name.endswith("_test.cpp"))
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", 0)) or os.cpu_count() or 2) as pool:
        problems = [error for error in pool.map(lambda path: compiled(root, path), files) if error]
    return f"{len(files)} sources", problems

"""Every C++ file is as clang-format 14 leaves it with the .clang-format of this tree. `--fix` applies it."""
import subprocess

from sources import sources

TOOL = "clang-format-14"
FOLDERS = ("include", "src", "tests")


def check(root):
    files = sources(root, *FOLDERS)
    problems = []
    for path in files:
        text = path.read_bytes()
        formatted = subprocess.run([TOOL, str(path)], check=True, capture_output=True).stdout
        if formatted != text:
            wanted, have = formatted.splitlines(), text.splitlines()
            line = next((i for i, pair in enumerate(zip(wanted, have), 1) if pair[0] != pair[1]), 1)
            problems.append(f"{path.relative_to(root)}:{line}: not formatted (tests/checks/run --fix formatting)")
    return f"{len(files)} files", problems


def fix(root):
    files = [str(path) for path in sources(root, *FOLDERS)]
    subprocess.run([TOOL, "-i", *files], check=True)

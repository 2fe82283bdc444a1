"""The files that checks look at."""
import re


def sources(root, *folders):
    """C++ files below the folders, sorted."""
    found = []
    for folder in folders:
        for pattern in ("*.hpp", "*.cpp"):
            found += (root / folder).rglob(pattern)
    return sorted(found)


def quoted_includes(text):
    """(line number, path) of each #include "path"."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if match:
            yield number, match.group(1)


def system_includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if match:
            yield number, match.group(1)

# SPDX-License-Identifier: Apache-2.0
"""docs/compared-with-postfix.md is made by tests/compare/run, which takes packages the ordinary run does without. Here
only that it is about the cases there are, and says of sealpost what they prove."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "compare"))

from rows import GROUPS, all_rows  # noqa: E402


def test_the_page_has_every_case_as_it_is_proven():
    text = (ROOT / "docs" / "compared-with-postfix.md").read_text()
    found, titles = {}, {title: group for group, (title, _) in GROUPS.items()}
    for section in text.split("\n## ")[1:]:
        group = titles.get(section.partition("\n")[0])
        for name, ours in re.findall(r"^\| ([a-z0-9.-]+) \| ([a-z, ]+) \|", section, re.MULTILINE) if group else []:
            found[group, name] = ours.split(",")[0].split(" ")[0]
    assert found == {(r.group, r.name): r.expected for r in all_rows(None)}

#!/usr/bin/env python3
"""The checks find what they are for: each fault is planted in a small tree of its own."""
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import benches  # noqa: E402
import coroutines  # noqa: E402
import formatting  # noqa: E402
import includes  # noqa: E402
import rfc_coverage  # noqa: E402
import rules  # noqa: E402

TABLE = """
| `src/base` | | openssl | bottom |
| `src/event` | base | | loop |
| `src/dns` | base event | c-ares | names |
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("docs/architecture.md", TABLE)
        for folder in ("src/base", "src/event", "src/dns", "include/sealpost", "tests/unit"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(ROOT / ".clang-format", self.root)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def problems(self, check):
        return check.check(self.root)[1]

    def finds(self, check, *parts):
        problems = self.problems(check)
        self.assertTrue(any(all(part in problem for part in parts) for problem in problems), problems)


class Benches(Tree):
    def test_one_that_no_longer_compiles(self):
        self.write("include/sealpost/a.hpp", "int f(int, int);\n")
        self.write("tests/bench/good.cpp", '#include "sealpost/a.hpp"\nint main() { return f(1, 2); }\n')
        self.assertEqual(self.problems(benches), [])
        self.write("tests/bench/bad.cpp", '#include "sealpost/a.hpp"\nint main() { return f(1); }\n')
        self.finds(benches, "tests/bench/bad.cpp:2", "too few arguments")


class Includes(Tree):
    def test_accepts_what_the_table_allows(self):
        self.write("src/dns/a.cpp", '#include <ares.h>\n#include "dns/a.hpp"\n#include "event/loop.hpp"\n')
        self.write("include/sealpost/a.hpp", '#include <string>\n#include "sealpost/b.hpp"\n')
        self.assertEqual(self.problems(includes), [])

    def test_upwards(self):
        self.write("src/base/a.hpp", '// first\n#include "event/loop.hpp"\n')
        self.finds(includes, "src/base/a.hpp:2", "base may not use event")

    def test_a_header_that_has_moved(self):
        self.write("tests/unit/capture.hpp", "// moved here\n")
        self.write("tests/unit/dns/good_test.cpp", '#include "../capture.hpp"\n')
        self.assertEqual(self.problems(includes), [])
        self.write("tests/unit/dns/bad_test.cpp", '#include "capture.hpp"\n')
        self.finds(includes, "tests/unit/dns/bad_test.cpp:1", "capture.hpp")

    def test_library(self):
        self.write("src/event/a.cpp", "#include <openssl/ssl.h>\n")
        self.finds(includes, "src/event/a.cpp:1", "may not use openssl")

    def test_public_header(self):
        self.write("include/sealpost/a.hpp", '#include "base/text.hpp"\n#include <event2/event.h>\n')
        self.finds(includes, "include/sealpost/a.hpp:1", "base")
        self.finds(includes, "include/sealpost/a.hpp:2", "libevent")

    def test_relative_path(self):
        self.write("src/base/a.cpp", '#include "a.hpp"\n')
        self.finds(includes, "src/base/a.cpp:1", "base/a.hpp")

    def test_row_of_a_file(self):
        self.write("docs/architecture.md", TABLE + "| `src/base/main.cpp` | dns | | joins |\n")
        self.write("src/base/main.cpp", '#include "dns/a.hpp"\n')
        self.write("src/base/other.cpp", '#include "dns/a.hpp"\n')
        problems = self.problems(includes)
        self.assertEqual(len(problems), 1, problems)
        self.finds(includes, "src/base/other.cpp:1")

    def test_rooms_in_a_folder(self):
        rooms = "| `src/reports/kept` | base | | |\n| `src/reports/sent` | base reports/kept | | |\n"
        self.write("docs/architecture.md", TABLE + rooms)
        self.write("src/reports/sent/a.cpp", '#include "reports/sent/a.hpp"\n#include "reports/kept/b.hpp"\n')
        self.assertEqual(self.problems(includes), [])
        self.write("src/reports/kept/b.hpp", '#include "reports/sent/a.hpp"\n')
        self.finds(includes, "src/reports/kept/b.hpp:1", "reports/kept may not use reports/sent")
        self.write("src/reports/c.cpp", "int c;\n")
        self.finds(includes, "src/reports/c.cpp", "in no room")

    def test_row_of_a_file_and_its_header(self):
        rows = "| `src/base/text` | | | |\n| `src/rules` | base/text | | |\n"
        self.write("docs/architecture.md", rows + TABLE)
        self.write("src/base/text.cpp", '#include "base/text.hpp"\n#include <openssl/evp.h>\n#include "base/log.hpp"\n')
        self.write("src/base/log.cpp", '#include "base/text.hpp"\n')
        self.write("src/event/a.cpp", '#include "base/text.hpp"\n')
        self.finds(includes, "src/base/text.cpp:2", "base/text may not use openssl")
        self.finds(includes, "src/base/text.cpp:3", "base/text may not use base")
        self.write("src/rules/a.cpp", '#include "base/text.hpp"\n#include "base/log.hpp"\n')
        self.finds(includes, "src/rules/a.cpp:2", "rules may not use base")
        self.assertEqual(len(self.problems(includes)), 3)

    def test_table(self):
        self.write("docs/architecture.md", TABLE.replace("| base | |", "| dns | |"))
        self.finds(includes, "event may use dns")
        self.write("docs/architecture.md", TABLE.replace("openssl", "opensl"))
        self.finds(includes, "no library is called opensl")
        (self.root / "src/queue").mkdir()
        self.finds(includes, "src/queue has no row")


class RfcCoverage(Tree):
    def test_finds_and_fixes(self):
        self.write("src/dns/a.cpp", "// As RFC 5321 §4.5.1, §5.1\n// and RFC\n// 8461 §3.1 have it.\n")
        self.write("tests/unit/dns/a_test.cpp", "// RFC 5321 section 5.1\n")
        self.finds(rfc_coverage, "docs/rfc-coverage.md", "--fix")
        rfc_coverage.fix(self.root)
        self.assertEqual(self.problems(rfc_coverage), [])
        page = (self.root / "docs/rfc-coverage.md").read_text()
        for row in ("| §4.5.1 | `dns/a` |  |", "| §5.1 | `dns/a` | `unit/dns/a_test` |", "| §3.1 | `dns/a` |  |"):
            self.assertIn(row, page)
        self.write("src/dns/a.cpp", "// RFC 5321 §4.5.1\n")
        self.finds(rfc_coverage, "docs/rfc-coverage.md")

    def test_every_rfc_has_a_title(self):
        self.write("src/dns/a.cpp", "// RFC 9999 §1\n")
        rfc_coverage.fix(self.root)
        self.finds(rfc_coverage, "RFC 9999", "no title")


class Formatting(Tree):
    def test_finds_and_fixes(self):
        self.write("src/base/a.cpp", "int  a;\n")
        self.finds(formatting, "src/base/a.cpp:1")
        formatting.fix(self.root)
        self.assertEqual(self.problems(formatting), [])
        self.assertEqual((self.root / "src/base/a.cpp").read_text(), "int a;\n")


class Rules(Tree):
    def test_code_without_test(self):
        self.write("src/base/a.cpp", "// never so (T-01), nor so (D-03..D-05)\n")
        self.write("tests/unit/a_test.cpp", '"T-01: it is not so"\n"D-04"\n')
        problems = self.problems(rules)
        self.assertEqual([problem.split(": ")[1].split()[0] for problem in problems], ["D-03", "D-05"])
        self.assertIn("test  tests/unit/a_test.cpp:1", rules.listing(self.root))


class Coroutines(Tree):
    def setUp(self):
        super().setUp()
        shutil.copytree(HERE / "coroutines", self.root / "tests/checks/coroutines")
        for folder in ("src/event", "include/sealpost"):
            shutil.copytree(ROOT / folder, self.root / folder, dirs_exist_ok=True)
        for path in (self.root / "src/event").glob("*.cpp"):
            path.unlink()
        self.bad = (self.root / coroutines.BAD).read_text()

    def test_fault_in_the_tree(self):
        fault = self.bad.replace("// expect", "//")
        self.write("src/dns/a.cpp", fault)
        wanted = self.bad.count("// expect")
        problems = self.problems(coroutines)
        self.assertEqual(len(problems), wanted, problems)
        self.assertEqual(len(self.problems(coroutines)), wanted)  # from the cache
        self.write("src/dns/a.cpp", (self.root / coroutines.GOOD).read_text())
        self.assertEqual(self.problems(coroutines), [])
        self.write("src/dns/a.cpp", '#include "event/wait.hpp"\nint broken = co_await;\n')
        self.finds(coroutines, "src/dns/a.cpp", "could not read it")

    def test_name_local_to_two_files_of_a_room(self):
        local = (
            '#include "event/wait.hpp"\nnamespace { int breath() { return 1; } }\n'
            "sealpost::event::Task<void> %s(sealpost::event::Task<void> first) { breath(); co_await std::move(first); }\n"
        )
        for name in ("one", "two"):
            self.write(f"src/dns/{name}.cpp", local % name)
            self.write(f"tests/fuzz/{name}.cpp", local % name)  # programs of their own
        problems = self.problems(coroutines)
        self.assertEqual(len(problems), 1, problems)
        self.finds(coroutines, "src/dns/one.cpp src/dns/two.cpp", "redefinition of 'breath'", "comes from a header")

    def test_rules_that_miss_something(self):
        self.write(coroutines.BAD, self.bad.replace("if (co_await flag(loop)) co_return;", "co_await flag(loop);"))
        self.finds(coroutines, "do not find 'condition'")

    def test_rules_that_are_broken(self):
        path = self.root / coroutines.RULES
        path.write_text(path.read_text() + "m nonsense()\n")
        with self.assertRaisesRegex(RuntimeError, "could not read it"):
            self.problems(coroutines)


if __name__ == "__main__":
    unittest.main(verbosity=1)

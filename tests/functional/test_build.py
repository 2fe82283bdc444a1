# SPDX-License-Identifier: Apache-2.0
"""T-57: what is built depends on the source and on Debian's packages alone. `packaging/reproduce` builds twice in two places
and compares the bytes; here what would make them differ, and where they come from."""

import json
import platform
import re
import subprocess

import pytest
from relay import BINARY, ROOT


def test_T57_the_program_names_no_path_of_the_machine_it_was_built_on():
    if "release" not in BINARY.parts:
        pytest.skip("only a release build is without paths for a debugger")
    octets = BINARY.read_bytes()
    assert str(ROOT).encode() not in octets
    assert not re.search(rb"/(tmp|home|root|work)/[\w./-]*src/", octets)


def test_T57_it_is_linked_with_packages_of_the_list_only():
    """Every library it loads belongs to a Debian package that a package of packaging/dependencies needs."""
    listed = [line.split()[1] for line in (ROOT / "packaging" / "dependencies").read_text().splitlines() if line.startswith("build ")]
    asked = ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
             "--no-replaces", "--no-enhances", *listed]  # fmt: skip
    needed = set(re.findall(r"^(\S+)$", subprocess.run(asked, capture_output=True, text=True).stdout, re.MULTILINE))
    if not needed:
        pytest.skip("there are no package lists on this machine")
    loaded = re.findall(r"=> (/\S+)", subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout)
    for library in loaded:
        paths = [library, library.removeprefix("/usr"), "/usr" + library]
        owners = [subprocess.run(["dpkg", "-S", p], capture_output=True, text=True).stdout.split(":")[0] for p in paths]
        assert any(owner in needed for owner in owners if owner), f"{library} is of {owners}"


def test_T57_no_build_time_gets_in():
    for path in [*ROOT.glob("src/**/*.?pp"), *ROOT.glob("include/**/*.hpp")]:
        assert not re.search(r"__(DATE|TIME|TIMESTAMP)__", path.read_text()), path


def test_T53_no_planted_fault_is_in_the_program_and_each_has_a_test_that_must_find_it():
    names = re.findall(r'^    "([a-z0-9-]+)",$', (ROOT / "src" / "base" / "planted.hpp").read_text(), re.MULTILINE)
    rows = [line.split("\t") for line in (ROOT / "tests" / "campaign" / "plants.tsv").read_text().splitlines() if line[0] != "#"]
    assert len(names) > 30 and sorted(names) == sorted(row[0] for row in rows if row[1] == "fails")
    if "release" not in BINARY.parts:
        pytest.skip("a release build is without planted faults")
    octets = BINARY.read_bytes()
    assert b"SEALPOST_PLANT" not in octets
    assert not [name for name in names if name.encode() in octets]


def test_T53_the_program_is_position_independent_and_its_tables_are_read_only():
    if "release" not in BINARY.parts:
        pytest.skip("a release build is hardened")
    listed = subprocess.run(["readelf", "-W", "-h", "-d", "-l", BINARY], capture_output=True, text=True, check=True).stdout
    assert "GNU_RELRO" in listed and re.search(r"FLAGS.*\b(BIND_NOW|NOW)\b", listed)
    assert "DYN (" in listed


def test_T53_stacks_do_not_clash_and_jumps_land_where_they_may():
    if "release" not in BINARY.parts:
        pytest.skip("a release build is hardened")
    if platform.machine() == "x86_64":
        assert BINARY.read_bytes().count(b"\xf3\x0f\x1e\xfa") > 1000  # ENDBR64, at the beginning of each function
    commands = json.loads((BINARY.parent / "compile_commands.json").read_text())
    ours = [entry["command"] for entry in commands if "/src/" in entry["file"]]
    assert ours
    for flag in ("-fstack-clash-protection", "-fcf-protection", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"):
        assert all(flag in command.split() for command in ours), flag


def self_signed(directory):
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mail.home.test",
         "-addext", "subjectAltName=DNS:mail.home.test", "-days", "365", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.mark.parametrize("what", ["as it is", "every suggestion taken"])
def test_the_configuration_that_packages_ship_is_right(what, tmp_path):
    text = (ROOT / "packaging" / "sealpost.toml").read_text()
    if what != "as it is":
        text = re.sub(r"^#(\[|\w+ = )", r"\1", text, flags=re.M)
        certificate, key = self_signed(tmp_path)  # files that only an operator has
        for name, file in (("certificate", certificate), ("key", key)):
            text = re.sub(rf"^{name} = .*$", f'{name} = "{file}"', text, flags=re.M)
        (tmp_path / "ours.toml").write_text('[[partner]]\nname = "A"\ndomains = ["a.test"]\ntls = "encrypt"\n')
        text = text.replace("/etc/sealpost/policies", str(tmp_path))
    config = tmp_path / "conf" / "sealpost.toml"
    config.parent.mkdir()
    config.write_text(text)
    done = subprocess.run([BINARY, "--config", config, "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

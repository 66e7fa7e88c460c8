# SPDX-License-Identifier: GPL-2.0-only
"""The selftests' programs: which there are, which cannot run and why, what a guest needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.host.errors import UserError
from harness.kselftest.obstacles import causes, obstacle
from harness.kselftest.programs import (
    COLLECTIONS,
    Selftest,
    Selftests,
    check_names,
    chosen,
    compile_line_buffered,
    held_against,
)

PROGRAMS = [
    Selftest("seccomp/seccomp_bpf"),
    Selftest("seccomp/more"),
    Selftest("futex/functional/x"),
]


def test_those_that_the_requirement_names_are_there_in_whole() -> None:
    assert all(COLLECTIONS[name] == () for name in ("seccomp", "ptrace", "cgroup", "pidfd"))


def test_a_program_belongs_to_a_folder() -> None:
    assert [program.collection for program in PROGRAMS] == ["seccomp"] * 2 + ["futex/functional"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], PROGRAMS),
        (["seccomp"], PROGRAMS[:2]),
        (["seccomp/more"], PROGRAMS[1:2]),
        (["futex/functional", "seccomp/seccomp_bpf"], [PROGRAMS[0], PROGRAMS[2]]),
    ],
)
def test_programs_are_chosen_by_name_or_collection(names: list[str], found: list[Selftest]) -> None:
    assert chosen(PROGRAMS, names) == found


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(UserError, match="there is no selftest 'secomp'; did you mean seccomp"):
        chosen(PROGRAMS, ["secomp"])


def test_what_a_kernel_lacks_keeps_a_program_from_running() -> None:
    freezer = Selftest("cgroup/test_freezer")
    found = held_against(freezer, {"CGROUPS"})
    assert found == Selftest(freezer.name, "the kernel lacks INOTIFY_USER")
    assert held_against(freezer, {"INOTIFY_USER"}) is freezer
    assert held_against(PROGRAMS[0], set()) is PROGRAMS[0]
    broken = Selftest(freezer.name, "does not compile")
    assert held_against(broken, set()) is broken


def test_a_guest_gets_the_program_and_the_data_beside_it(tmp_path: Path) -> None:
    programs = (Selftest("exec/one"), Selftest("exec/two"), Selftest("exec/all.sh"))
    (tmp_path / "exec").mkdir()
    for name in ("one", "two", "all.sh", "data"):
        (tmp_path / "exec" / name).touch()
    tests = Selftests(tmp_path, programs, {})
    assert [path.name for path in tests.files(programs[0])] == ["data", "one"]
    # A script may run the others.
    assert [path.name for path in tests.files(programs[2])] == ["all.sh", "data", "one", "two"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"neither\n", "is not a program"),
        (b"#!/bin/sh\nexit 0\n", ""),
        (b"#! /bin/bash\n", "needs /bin/bash, which a guest does not have"),
        (b"#!/usr/bin/env python3\n", "needs /usr/bin/env python3, which a guest does not have"),
        (b"#!\n", "names no interpreter"),
    ],
)
def test_what_keeps_a_program_from_running(tmp_path: Path, content: bytes, said: str) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    assert obstacle(program) == said


def test_a_program_for_the_hosts_libraries_cannot_run() -> None:
    assert obstacle(Path("/bin/true")) == "is not static, and a guest has no libraries"


def test_each_program_that_does_not_compile_has_its_own_cause() -> None:
    log = """  CC      one
one.c:3:10: fatal error: numa.h: No such file or directory
compilation terminated.
make[1]: *** [../lib.mk:222: /c/objects/kselftest/mm/one] Error 1
  CC      two
two.c:9:1: error: 'X' undeclared
two.c:10:1: error: 'Y' undeclared
make[1]: *** [../lib.mk:222: /c/objects/kselftest/mm/two] Error 1
make[1]: *** [Makefile:3: /c/objects/kselftest/exec/three] Error 1
"""
    found = causes(log)
    assert found["mm/one"] == "one.c:3:10: fatal error: numa.h: No such file or directory"
    assert found["mm/two"] == "two.c:9:1: error: 'X' undeclared"
    assert found["exec/three"].startswith("make[1]: ***")


def test_a_fork_does_not_write_again_what_was_printed_before(tmp_path: Path) -> None:
    source, program = tmp_path / "forks.c", tmp_path / "forks"
    source.write_text(
        "#include <stdio.h>\n#include <unistd.h>\n#include <sys/wait.h>\n"
        'int main(void) { puts("once"); if (fork()) wait(NULL); return 0; }\n'
    )
    for more, times in (([], 2), ([compile_line_buffered(tmp_path)], 1)):
        subprocess.run(["gcc", *more, "-o", program, source], check=True, timeout=60)
        said = subprocess.run([program], stdout=subprocess.PIPE, check=True, timeout=60).stdout
        assert said == b"once\n" * times


@pytest.mark.parametrize("name", ["secomp", "secomp/bpf", "mm/nosuch", "seccomp/", ""])
def test_a_name_that_no_build_can_have(name: str) -> None:
    check_names(["seccomp", "mm/cow", "futex/functional", "seccomp/any"])
    with pytest.raises(UserError, match=f"there is no selftest '{name}'; "):
        check_names(["mm", name])

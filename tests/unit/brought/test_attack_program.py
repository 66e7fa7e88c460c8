# SPDX-License-Identifier: GPL-2.0-only
"""Attack programs of the user's own: what is refused before any machine is started, and how."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.attacker.agent.errors import NoTarget, ProgramFailed
from harness.attacker.agent.program import ProgramExit
from harness.brought.attack_program import AttackProgram, _claim, attack_program
from harness.host.errors import UserError
from harness.host.paths import CHECKOUT
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import Effect
from harness.scenarios.registry import collecting

OVERWRITE = CHECKOUT / "tests" / "example_repository" / "overwrite.c"
E_MACHINE = 18  # where it lies in an ELF file's header
E_TYPE = 16
EM_AARCH64, ET_REL = 183, 1


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program."""
    folder = tmp_path_factory.mktemp("program")
    return compiled(folder, "-static")


def compiled(folder: Path, *options: str) -> Path:
    target = folder / "mine"
    subprocess.run(["gcc", *options, "-o", target, OVERWRITE], check=True, timeout=60)
    return target


def told(path: Path) -> str:
    """The one line about what is wrong with a program."""
    with pytest.raises(UserError) as error:
        attack_program(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_static_program_joins_the_corpus(program: Path) -> None:
    with collecting() as found:
        named = attack_program(program, effect=Effect.AVAILABILITY, reach="f", no_target="g")
    assert list(found) == [named] == ["mine"]
    mine = found["mine"]
    assert (mine.reach, mine.no_target_at) == ("f", "g")
    assert mine.summary == "Run mine, an attack program of the user's own."
    assert mine.expected(VARIANTS["baseline"]) is Verdict.DISRUPTED
    assert mine.expected(VARIANTS["isolated"]) is Verdict.HELD
    assert mine.expected(VARIANTS["kthread"]) is Verdict.HELD
    assert mine.prepare is not None


def test_what_else_an_attack_declares_is_declared(program: Path) -> None:
    with collecting() as found:
        attack_program(program, not_applicable={"kthread": "it has no memory"}, surface="kcmp")
    assert found["mine"].expected(VARIANTS["kthread"]) is Verdict.NOT_APPLICABLE
    assert found["mine"].surface == "kcmp"


def test_a_c_file_is_compiled_to_a_static_program(tmp_path: Path) -> None:
    content = AttackProgram.load(OVERWRITE).content
    (tmp_path / "made").write_bytes(content)
    with (tmp_path / "made").open("rb") as file:
        assert "PT_INTERP" not in {s["p_type"] for s in ELFFile(file).iter_segments()}


def test_a_c_file_may_do_without_the_c_library(tmp_path: Path) -> None:
    bare = tmp_path / "bare.c"
    bare.write_text('# include "bare.h"\nint main(int c, char **v, char **e) { return 1; }\n')
    assert (
        len(AttackProgram.load(bare).content) < 20_000 < len(AttackProgram.load(OVERWRITE).content)
    )


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("int main(void) { return x; }\nint y = z;\n", "wrong.c:1:25: error: 'x' undeclared"),
        ("#include <nowhere.h>\n", "nowhere.h: No such file"),
        ("int f(void);\nint main(void) { return f(); }\n", "undefined reference to `f'"),
        ('#include "bare.h"\nint main(void) { return x; }\n', "error: "),
    ],
    ids=["error", "header", "link", "bare"],
)
def test_the_compilers_first_complaint_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, complaint: str
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    (tmp_path / "wrong.c").write_text(code)
    said = told(tmp_path / "wrong.c")
    assert said.startswith("wrong.c does not compile: ")
    assert complaint in said
    assert said.endswith(f"; mend {tmp_path / 'wrong.c'}")


def test_a_warning_is_none(tmp_path: Path) -> None:
    (tmp_path / "odd.c").write_text("int main(void) { int unused; return 1; }\n")
    assert attack_program(tmp_path / "odd.c") == "odd"


def test_what_is_linked_dynamically_is_told_how_to_be_linked(tmp_path: Path) -> None:
    said = told(compiled(tmp_path))
    assert said.endswith(
        "is linked dynamically, and the guest has no libraries; link it statically: gcc -static"
    )


def patched(program: Path, folder: Path, at: int, value: int) -> Path:
    content = bytearray(program.read_bytes())
    content[at : at + 2] = value.to_bytes(2, "little")
    other = folder / "other"
    other.write_bytes(content)
    other.chmod(0o755)
    return other


def test_a_program_for_another_machine_is_told_which(program: Path, tmp_path: Path) -> None:
    other = patched(program, tmp_path, E_MACHINE, EM_AARCH64)
    assert f"{other} is a program for AArch64, not for x86-64; " in told(other)


def test_an_object_file_is_no_program(program: Path, tmp_path: Path) -> None:
    assert "another kind of ELF file" in told(patched(program, tmp_path, E_TYPE, ET_REL))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!/bin/sh\nexit 0\n", "is a script, which the guest cannot run; write it in C"),
        (b"hello\n", "is not a program (ELF), or is damaged"),
        (b"", "is not a program (ELF), or is damaged"),
        (b"\x7fELF", "is not a program (ELF), or is damaged"),
    ],
    ids=["script", "text", "empty", "beginning"],
)
def test_what_is_no_program_is_told_so(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mine"
    path.write_bytes(content)
    path.chmod(0o755)
    assert said in told(path)


def test_a_program_must_be_executable(program: Path, tmp_path: Path) -> None:
    copy = shutil.copyfile(program, tmp_path / "copy")
    copy.chmod(0o644)
    assert told(copy).endswith(f"is not executable; chmod +x {copy}")


def test_a_file_must_be_there_and_be_one(tmp_path: Path) -> None:
    assert "there is no attack program" in told(tmp_path / "absent")
    assert "is not a regular file" in told(tmp_path)
    os.mkfifo(tmp_path / "fifo.c")
    assert "is not a regular file" in told(tmp_path / "fifo.c")


def test_one_too_large_for_the_guest_is_told_so(program: Path, tmp_path: Path) -> None:
    large = shutil.copy(program, tmp_path / "large")
    os.truncate(large, 1 << 30)
    assert "has more than 32 MiB" in told(Path(large))


def test_a_name_that_is_taken_is_told(program: Path, tmp_path: Path) -> None:
    taken = shutil.copy(program, tmp_path / "nothing")
    assert "nothing is the name of a scenario" in told(Path(taken))
    operator = shutil.copy(program, tmp_path / "or")
    assert "or a word of -k" in told(Path(operator))


def test_a_name_is_one_word(program: Path, tmp_path: Path) -> None:
    odd = shutil.copy(program, tmp_path / "my (own) attack.bin")
    assert attack_program(Path(odd)) == "my__own__attack.bin"
    long = shutil.copy(program, tmp_path / ("x" * 250))
    assert attack_program(Path(long)) == "x" * 64


@pytest.mark.parametrize("seconds", [0, -1, 201])
def test_its_time_is_bounded(program: Path, seconds: float) -> None:
    with pytest.raises(UserError, match="give it from 1 to 200 s"):
        attack_program(program, seconds=seconds)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_program_is_a_users_error_or_none(
    program: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """In its headers, which are what is looked at."""
    content = bytearray(program.read_bytes())
    size = data.draw(st.integers(0, len(content)))
    for at in data.draw(st.lists(st.integers(0, 600), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[:size])
    path.chmod(0o755)
    try:
        AttackProgram.load(path)
    except UserError as error:
        assert error.hint


def ended(status: int | None, output: bytes = b"") -> ProgramExit:
    return ProgramExit(status, output, 0)


def test_what_it_claims_is_said_and_no_more() -> None:
    assert _claim("a", ended(0), seconds=1, may_skip=False) == "it claims success"
    assert _claim("a", ended(1 << 8), seconds=1, may_skip=True) == "it says that it was refused"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, "a did not end within 1 s"),
        (signal.SIGSEGV, "a died of SIGSEGV: last"),
        (2 << 8, "a ended with 2: last"),
        (4 << 8, "a says that it skipped: last"),
    ],
)
def test_no_other_end_is_one_of_an_attack(status: int | None, said: str) -> None:
    with pytest.raises(ProgramFailed) as error:
        _claim("a", ended(status, b"first\nlast\n\n"), seconds=1, may_skip=False)
    assert str(error.value) == said


def test_a_skip_finds_no_target_where_one_may_be_missed() -> None:
    with pytest.raises(NoTarget, match=r"it says that it skipped: \\xff"):
        _claim("a", ended(4 << 8, b"\xff"), seconds=1, may_skip=True)

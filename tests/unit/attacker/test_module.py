# SPDX-License-Identifier: GPL-2.0-only
"""Modules rewritten for an attack, tried on an object file of this host's compiler."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from harness.attacker.tools.module import replace_function, replace_string
from harness.kernel.build.signing import signing_key

if TYPE_CHECKING:
    from pathlib import Path

ENDBR64 = bytes.fromhex("f30f1efa")
PROLOGUE = 9
SOURCE = """
.section .text
.globl first
.type first, @function
first:
    endbr64
    .fill 5, 1, 0x90
    call elsewhere
    call elsewhere
    ret
.size first, . - first
.globl second
.type second, @function
second:
    .fill 5, 1, 0x90
    call elsewhere
    ret
.size second, . - second
.section .rodata.str1.1, "aMS", @progbits, 1
.string "said"
.string "old_name"
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("module")
    (folder / "module.s").write_text(SOURCE)
    command = ["gcc", "-c", "-o", str(folder / "module.o"), str(folder / "module.s")]
    subprocess.run(command, check=True, timeout=60)
    return (folder / "module.o").read_bytes()


def text(module: bytes) -> bytes:
    section = ELFFile(io.BytesIO(module)).get_section_by_name(".text")
    assert section
    return bytes(section.data())


def relocations(module: bytes) -> list[tuple[int, int]]:
    section = ELFFile(io.BytesIO(module)).get_section_by_name(".rela.text")
    assert isinstance(section, RelocationSection)
    return [(r["r_offset"], r["r_info_type"]) for r in section.iter_relocations()]


def test_a_function_runs_other_code_behind_its_prologue(module: bytes) -> None:
    forged = replace_function(module, "first", b"\x31\xc0\xc3")
    assert text(forged)[: PROLOGUE + 3] == ENDBR64 + b"\x90" * 5 + b"\x31\xc0\xc3"
    assert text(forged)[PROLOGUE + 3 :] == text(module)[PROLOGUE + 3 :]


def test_so_it_does_where_indirect_calls_may_lead_anywhere(module: bytes) -> None:
    forged = replace_function(module, "second", b"\x31\xc0\xc3")
    assert text(forged)[-11:] == b"\x90" * 5 + b"\x31\xc0\xc3" + text(module)[-3:]


def test_nothing_is_relocated_in_the_new_code_and_all_else_still_is(module: bytes) -> None:
    (first, kind), second, third = relocations(module)
    assert kind
    forged = replace_function(module, "first", b"\xc3" * 5)
    assert relocations(forged) == [(first, 0), second, third]


@pytest.mark.parametrize(("name", "size"), [("third", 1), ("first", 12), ("second", 7)])
def test_what_has_no_room_is_refused(module: bytes, name: str, size: int) -> None:
    with pytest.raises(LookupError):
        replace_function(module, name, b"\xc3" * size)


def test_a_string_is_another_of_the_same_room(module: bytes) -> None:
    forged = replace_string(module, "old_name", "new")
    assert b"\0new\0\0\0\0\0\0" in forged
    assert len(forged) == len(module)


@pytest.mark.parametrize(("old", "new"), [("absent", "x"), ("said", "more than that")])
def test_a_string_that_is_not_there_or_too_short_is_refused(
    module: bytes, old: str, new: str
) -> None:
    with pytest.raises(LookupError):
        replace_string(module, old, new)


def test_what_was_changed_has_no_signature_any_more(module: bytes, tmp_path: Path) -> None:
    signed = signing_key(tmp_path).sign(module)
    assert replace_function(signed, "first", b"\xc3") == replace_function(module, "first", b"\xc3")
    assert replace_string(signed, "old_name", "n") == replace_string(module, "old_name", "n")

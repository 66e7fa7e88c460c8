# SPDX-License-Identifier: GPL-2.0-only
"""The system calls that a handler's program can make, read from its instructions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from elftools.elf.constants import P_FLAGS
from elftools.elf.elffile import ELFFile

from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALLOWED = {0: "read", 1: "write", 60: "exit"}
"""The calls of seccomp's strict mode that a handler needs, by their number on x86-64."""

_LABEL = re.compile(r"^([0-9a-f]+) <.+>:$")
_INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(\S+) *(.*?)(?: *#.*)?$")
_TARGET = re.compile(r"^([0-9a-f]+) <")
_ENTRIES = ("sysenter", "int", "int1", "int3", "into", "lcall", "ljmp", "iretq", "sysexit")
"""Other instructions by which a program enters the kernel."""

_SETS_NUMBER = re.compile(r"^(?:mov +eax,(0x[0-9a-f]+)|(xor +eax,eax))$")
_KEEPS_NUMBER = re.compile(r"^(?:mov|movzx|movsxd?|lea|xor|add|sub|and|or)$")
_IS_RAX = re.compile(r"^(?:[re]?ax|a[lh])\b")


class _Instruction(NamedTuple):
    at: int
    name: str
    operands: str

    @property
    def text(self) -> str:
        return f"{self.name} {self.operands}".strip()


def check_calls(program: Path) -> dict[str, int]:
    """Return how often a program has each of the allowed calls. Raises UserError for any other.

    Each `syscall` must have its number set before it in a run of plain moves that no jump enters.
    The program must be static, without memory that is both writable and executable.
    """
    _check_segments(program)
    instructions, targets = _disassembled(program)
    found = dict.fromkeys(ALLOWED.values(), 0)
    for index, instruction in enumerate(instructions):
        if instruction.name in _ENTRIES:
            raise _refused(program, f"enters the kernel by `{instruction.text}`", instruction)
        if instruction.name != "syscall":
            continue
        number = _number_before(instructions, index, targets)
        if number is None:
            raise _refused(program, "makes a system call of unknown number", instruction)
        if number not in ALLOWED:
            raise _refused(program, f"makes the system call {number}", instruction)
        found[ALLOWED[number]] += 1
    return found


def _refused(program: Path, what: str, instruction: _Instruction) -> UserError:
    return UserError(
        f"{program.name} {what} at {instruction.at:#x}",
        hint="a handler may make read, write and exit alone: leave to the caller what needs more",
    )


def _check_segments(program: Path) -> None:
    with program.open("rb") as file:
        segments = [(s["p_type"], s["p_flags"]) for s in ELFFile(file).iter_segments()]
    both = P_FLAGS.PF_W | P_FLAGS.PF_X
    if any(kind in ("PT_INTERP", "PT_DYNAMIC") for kind, _ in segments):
        what = "is not static"
    elif any(flags & both == both for _, flags in segments):
        what = "has memory that is writable and executable"
    else:
        return
    raise UserError(f"{program.name} {what}", hint="build it as harness/handlers/build.py does")


def _disassembled(program: Path) -> tuple[list[_Instruction], set[int]]:
    """Return the instructions, and the addresses that a jump or call can lead to.

    There are no jump tables (build.py), so that these are functions and operands.
    """
    argv = ["objdump", "--disassemble", "--no-show-raw-insn", "-M", "intel", str(program)]
    status, said = output_of(argv)
    if status:
        raise UserError(f"objdump cannot read {program.name}", hint=" ".join(argv))
    instructions: list[_Instruction] = []
    targets: set[int] = set()
    for line in said.splitlines():
        if label := _LABEL.match(line):
            targets.add(int(label[1], 16))
        elif found := _INSTRUCTION.match(line):
            instruction = _Instruction(int(found[1], 16), found[2], found[3])
            instructions.append(instruction)
            if target := _TARGET.match(instruction.operands):
                targets.add(int(target[1], 16))
    return instructions, targets


def _number_before(
    instructions: Sequence[_Instruction], index: int, targets: set[int]
) -> int | None:
    """Return the number that every way to this `syscall` sets; None if that cannot be told."""
    while index and instructions[index].at not in targets:
        index -= 1
        before = instructions[index]
        if found := _SETS_NUMBER.match(before.text):
            return int(found[1] or "0", 16)
        if not _KEEPS_NUMBER.match(before.name) or _IS_RAX.match(before.operands):
            return None
    return None

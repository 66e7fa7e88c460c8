# SPDX-License-Identifier: GPL-2.0-only
"""Route: functions that tell a kernel thread from a process and do not ask about a driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.surface.semantic import search

if TYPE_CHECKING:
    from harness.surface.semantic import Match
    from harness.surface.tree import KernelTree

_WORTH = re.compile(
    r"\bPF_(?:KTHREAD|USER_WORKER|IO_WORKER)\b|->mm\b(?!->|,|\.)"
    r"|\b(?:user_mode|task_pt_regs|is_global_init|is_user_task|find_lock_task_mm"
    r"|kthread_is_per_cpu|is_per_cpu_kthread)\("
)
_DEFINED = re.compile(r"^DEFINE_\w+\((\w+)")
"""A function that a macro defines, for which Coccinelle has another name."""
_IN_MACRO = "something_else"
"""Coccinelle's word for the function of a match that is in none."""
_OR = r"(?:!|\bif \(|\bwhile \(|&& |\|\| |likely\()"
_THEN = r" (?:[!=]= NULL\b|&&|\|\||\?)"
_SETS = re.compile(r"[|&]?= (?!.*&)[^;]*$")
"""The text before a flag that is set, not tested."""
_OTHER = re.compile(r"[!=]= [\w>.-]*->$")
"""The text before memory that is compared with other memory."""
_USED = re.compile(r"->|\.| [!=]= (?!NULL)")
"""The text after memory that is used, or compared with other memory."""
_BEFORE = re.compile(rf"{_OR}[\w>.-]*->$")
_AFTER = re.compile(_THEN)
_TAKES = re.compile(r"\b(\w+) = (?:READ_ONCE\()?[\w>.-]*->$")


def find_spares(tree: KernelTree) -> dict[str, str]:
    """Return each "function: what it asks" with its place.

    A function that asks whether the task is a user mode driver is left out. So are the places
    that only read or set what others test.
    """
    matches = search(tree, "spares.cocci", worth=_WORTH, headers=True)
    texts = {name: tree.text(name).splitlines() for name in {match.file for match in matches}}
    named = [(_function(match, texts[match.file]), match) for match in matches]
    asking = {(match.file, function) for function, match in named if match.kind == "asks"}
    found: dict[str, str] = {}
    for function, match in named:
        if function == _IN_MACRO or (match.file, function) in asking:
            continue
        if _is_test(match, texts[match.file]):
            found.setdefault(f"{function}: {match.what}", f"{match.file}:{match.line}")
    return found


def _function(match: Match, lines: list[str]) -> str:
    """Return the name of the function around a match."""
    for line in reversed(lines[: match.line]):
        if line.startswith("}"):
            break
        if defined := _DEFINED.match(line):
            return defined[1]
    return match.function


def _is_test(match: Match, lines: list[str]) -> bool:
    """Whether the text around a match tests: by a condition, or by a variable."""
    if match.kind == "call":
        return True
    line, start = lines[match.line - 1], int(match.variable)
    before, after = line[:start], line[start + len(match.what) :]
    if match.kind == "flag":
        return not _SETS.search(before)
    if _OTHER.search(before) or _USED.match(after):
        return False
    if _BEFORE.search(before) or _AFTER.match(after):
        return True
    taken = _TAKES.search(before)
    return taken is not None and _compares(taken[1], lines[match.line :])


def _compares(variable: str, rest: list[str]) -> bool:
    """Whether a variable is compared with NULL in the rest of its function."""
    test = re.compile(
        rf"{_OR}{variable}\b(?!->|\.|\(| [=!<>]= (?!NULL))|(?<![!=]= )(?<!->)\b{variable}{_THEN}"
    )
    for line in rest:
        if line.startswith("}"):
            return False
        if test.search(line):
            return True
    return False

# SPDX-License-Identifier: GPL-2.0-only
"""Lists in the kernel's files, to which two series may add at the same place.

There the order of the added lines has no meaning, so that both can be kept. Anywhere else it may
have a meaning, and the additions conflict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNTED = "include/linux/lsm_count.h"
"""The file with a macro that counts its arguments, one for each security module."""

_ENTRY = re.compile(r"(?:source|config|menuconfig|comment)\s")
_OBJECTS = re.compile(r"[\w./$()-]+\s*\+=\s*[^\\]*$")
_DIRECTIVE = re.compile(r"#\s*(\w+)\b")
_COMMENT = re.compile(r"/\*((?!\*/).)*\*/$")
_DEFINED = re.compile(r"#\s*define\s+(\w+)")
_ARGUMENT = re.compile(r"\s*(\w+)\s*(\\|\))\s*$")
_OPENS, _CLOSES = ("if", "ifdef", "ifndef"), "endif"
_BRANCHES = ("elif", "else")
_OTHERS = ("define", "include")


@dataclass(frozen=True)
class Conflict:
    """The lines of a file that both sides changed: on each side, and in their common base."""

    here: tuple[str, ...]
    base: tuple[str, ...]
    there: tuple[str, ...]


def is_documentation(name: str) -> bool:
    """Whether no part of a kernel is built from that file."""
    is_built = name.rpartition("/")[2].startswith(("Kconfig", "Makefile"))
    top = name.partition("/")[0]
    return top in ("MAINTAINERS", "CREDITS") or (top == "Documentation" and not is_built)


def both(name: str, conflict: Conflict, *, before: str) -> list[str] | None:
    """Return the lines with what both sides add to a list; None unless both only do that.

    `before` is the line before the conflict.
    """
    if name == COUNTED and (counted := _counted(conflict)):
        return counted
    if conflict.base or before.rstrip("\r\n").endswith("\\"):
        return None
    is_list = _rule_of(name)
    if not (is_list(conflict.here) and is_list(conflict.there)):
        return None
    if set(_defined(conflict.here)) & set(_defined(conflict.there)):
        return None
    return [*conflict.here, *conflict.there]


def same_numbers(lines: Sequence[str]) -> list[str]:
    """Return the names among these lines that are defined as the same number as another."""
    found = re.findall(r"^#\s*define\s+(\w+)\s+(\d+)\s*$", "".join(lines), re.MULTILINE)
    numbers = [number for _, number in found]
    return [name for name, number in found if numbers.count(number) > 1]


def _rule_of(name: str) -> Callable[[Sequence[str]], bool]:
    file = name.rpartition("/")[2]
    if is_documentation(name):
        return lambda _: True
    if file.startswith("Kconfig"):
        return _are_entries
    if file.startswith(("Makefile", "Kbuild")):
        return _are_objects
    if file.endswith((".c", ".h")):
        return _are_directives
    return lambda _: False


def _filled(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


def _are_entries(lines: Sequence[str]) -> bool:
    """Whether they are whole entries of Kconfig."""
    filled = _filled(lines)
    starts = [line for line in filled if not line[0].isspace()]
    return filled[:1] == starts[:1] and all(_ENTRY.match(f"{line} ") for line in starts)


def _are_objects(lines: Sequence[str]) -> bool:
    """Whether they add to lists of objects or folders."""
    return all(_OBJECTS.match(line) or line.startswith("#") for line in _filled(lines))


def _are_directives(lines: Sequence[str]) -> bool:
    """Whether they are whole definitions, includes and conditions of the preprocessor."""
    depth = 0
    for line in _filled(lines):
        directive = _DIRECTIVE.match(line)
        word = directive[1] if directive else ""
        depth += (word in _OPENS) - (word == _CLOSES)
        is_known = word in (*_OPENS, _CLOSES, *_OTHERS) or (word in _BRANCHES and depth > 0)
        if depth < 0 or line.endswith("\\") or not (is_known or _COMMENT.match(line)):
            return False
    return depth == 0


def _defined(lines: Sequence[str]) -> list[str]:
    return _DEFINED.findall("".join(lines))


def _counted(conflict: Conflict) -> list[str] | None:
    """Return the end of the counting macro's arguments with those that both sides append."""
    here, base, there = (_arguments(lines) for lines in vars(conflict).values())
    if not base or here[: len(base)] != base or there[: len(base)] != base:
        return None
    *names, last = [*here, *there[len(base) :]]
    if len({*names, last}) <= len(names):
        return None
    return [*(f"\t\t{name}\t\\\n" for name in names), f"\t\t{last})\n"]


def _arguments(lines: Sequence[str]) -> list[str]:
    """Return the arguments that end with the last of these lines; none if they are not such."""
    found = [_ARGUMENT.match(line) for line in lines]
    matches = [match for match in found if match]
    ends = [match[2] for match in matches]
    if not ends or len(ends) != len(lines) or ends != [*("\\" for _ in ends[1:]), ")"]:
        return []
    return [match[1] for match in matches]

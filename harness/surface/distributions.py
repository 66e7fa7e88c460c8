# SPDX-License-Identifier: GPL-2.0-only
"""Options that distributions have, that add a way to another task, and that our kernel lacks.

`python -m harness.surface.distributions TREE NAME=CONFIG...` writes configs/lacking.toml, from a
built tree of ours and the distributions' whole configurations.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.surface.configs import CONFIGS, OURS, kernels
from harness.surface.entries import lookups
from harness.surface.review import REVIEWED
from harness.surface.tree import built_tree, options_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from harness.surface.tree import KernelTree

LACKING = CONFIGS / "lacking.toml"
REVIEW = REVIEWED / "options.toml"
UNATTACKED = "unattacked"
VERDICTS = (UNATTACKED, "attacked", "no-way")

STATE = {
    "include/linux/sched.h": ("task_struct",),
    "include/linux/sched/signal.h": ("signal_struct", "sighand_struct"),
    "include/linux/mm_types.h": ("mm_struct",),
    "include/linux/cred.h": ("cred",),
    "arch/x86/include/asm/processor.h": ("thread_struct",),
}
"""The structures that a task consists of, by header."""
_SENDERS = ("send_sig", "send_sig_info", "do_send_sig_info", "kill_pgrp", "kill_pid", "force_sig")
_BUILDS = ("Makefile", "Kbuild")
_BUILT = re.compile(r"^[\w-]+-\$\(CONFIG_(\w+)\)\s*[:+]?=(.*)$", re.MULTILINE)
_PARTS = re.compile(r"^([\w-]+)-(?:y|objs|\$\(CONFIG_\w+\))\s*[:+]?=(.*)$", re.MULTILINE)
_OBJECT = re.compile(r"([\w/-]+)\.o\b")
_CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b(.*)")
_NAMED = re.compile(r"CONFIG_(\w+)")
_OTHER_ARCHITECTURE = re.compile(r"/arch/(?!x86/)|/tools/|/Documentation/")


@dataclass(frozen=True)
class Lacking:
    """An option that our kernel lacks: the distributions that have it, its way, and the review."""

    option: str
    distributions: tuple[str, ...]
    way: str
    verdict: str = ""
    reason: str = ""


def lacking(*, found: Path = LACKING, review: Path = REVIEW) -> list[Lacking]:
    """Return the options that our kernel still lacks. Raises UserError for a wrong review."""
    ours = kernels()[OURS]
    reviewed = tomllib.loads(review.read_text())
    if unknown := set(reviewed) - set(VERDICTS):
        raise UserError(f"{review} has {unknown.pop()!r}", hint=f"take {', '.join(VERDICTS)}")
    opinions = {
        option: (verdict, reason)
        for verdict, options in reviewed.items()
        for option, reason in options.items()
    }
    return [
        Lacking(option, tuple(one["in"]), one["way"], *opinions.get(option, ()))
        for option, one in tomllib.loads(found.read_text()).items()
        if not ours.get(option)
    ]


def are_reviewed(options: Collection[Lacking]) -> bool:
    """Whether somebody reviewed each of the options."""
    return all(one.verdict for one in options)


def options_report(options: Collection[Lacking]) -> str:
    """Return the counts, and a line for each option that no scenario attacks or nobody reviewed."""
    open_ones = [one for one in options if one.verdict in ("", UNATTACKED)]
    lines = [
        f"{len(options)} options of distributions add a way to another task, and our kernel lacks "
        f"them: {len(open_ones)} without a scenario or a review"
    ]
    for one in open_ones:
        said = one.reason or f"not reviewed: {one.way}"
        lines.append(
            f"  {one.verdict or 'open':<10} {one.option}  ({', '.join(one.distributions)}: {said})"
        )
    return "\n".join(lines)


def ways(tree: KernelTree, options: Collection[str]) -> dict[str, str]:
    """Return those of the options that add a way to another task, with the way.

    An option adds a way if it adds a member to a task's structures, or if an object that it links
    looks up a task or sends a signal. Raises UserError.
    """
    found = {
        option: f"member of {name}"
        for header, names in STATE.items()
        for name in names
        for option in conditional(_structure(tree.text(header), name))
    }
    calls = re.compile(rf"\b({'|'.join(sorted({*lookups(tree.vmlinux), *_SENDERS}))})\s*\(")
    for option, sources in _linked(tree, options).items():
        for source in sorted(sources):
            if match := calls.search(source.read_text(errors="replace")):
                found.setdefault(option, f"{source.relative_to(tree.source)}: {match[1]}")
                break
    return {option: way for option, way in sorted(found.items()) if option in options}


def conditional(text: str) -> set[str]:
    """Return the options on which lines of a C text depend."""
    stack: list[set[str]] = []
    found: set[str] = set()
    for line in text.splitlines():
        condition = _CONDITION.match(line)
        if condition is None:
            found.update(*stack)
            continue
        word, of = condition.groups()
        if word.startswith("if"):
            stack.append(set() if word == "ifndef" else set(_NAMED.findall(of)))
        elif stack and word == "endif":
            stack.pop()
        elif stack and word == "elif":
            stack[-1] |= set(_NAMED.findall(of))
    return found


def _structure(text: str, name: str) -> str:
    body = re.search(rf"^struct {name} \{{.*?^\}}", text, re.MULTILINE | re.DOTALL)
    return body[0] if body else ""


def _linked(tree: KernelTree, options: Collection[str]) -> Mapping[str, set[Path]]:
    """Return for each option the C files of the objects that it links."""
    linked: defaultdict[str, set[Path]] = defaultdict(set)
    for build in _builds(tree.source):
        text = build.read_text(errors="replace").replace("\\\n", " ")
        parts = defaultdict(set)
        for name, objects in _PARTS.findall(text):
            parts[name].update(_OBJECT.findall(objects))
        for option, objects in _BUILT.findall(text):
            if option in options:
                for name in _OBJECT.findall(objects):
                    files = (build.parent / f"{part}.c" for part in (name, *parts[name]))
                    linked[option].update(path for path in files if path.is_file())
    return linked


def _builds(source: Path) -> Iterator[Path]:
    for name in _BUILDS:
        yield from (p for p in source.rglob(name) if not _OTHER_ARCHITECTURE.search(f"{p}"))


def main(arguments: Sequence[str]) -> int:
    """Write configs/lacking.toml."""
    folder, *configs = arguments
    tree = built_tree(Path(folder))
    having = {}
    for one in configs:
        name, _, config = one.partition("=")
        having[name] = options_of(Path(config).read_text()) - tree.options
    found = ways(tree, frozenset().union(*having.values()))
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        "# Written by harness/surface/distributions.py.",
    ]
    for option, way in found.items():
        names = ", ".join(f'"{name}"' for name, options in having.items() if option in options)
        lines += [f"[{option}]", f"in = [{names}]", f'way = "{way}"']
    LACKING.write_text("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

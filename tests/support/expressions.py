# SPDX-License-Identifier: GPL-2.0-only
"""Expressions for `-k`, and the cells of the small corpus that each chooses.

`umd-harness run` and pytest are tested with the same table.
"""

from __future__ import annotations

from itertools import product

from small_corpus import NAMES, POLICIES


def _ids(variants: tuple[str, ...], names: tuple[str, ...]) -> set[str]:
    return {f"6.12-{variant}-{name}" for variant, name in product(variants, names)}


_CLOSED = ("isolated", "isolated-debug")

CHOSEN: dict[str, set[str]] = {
    "scenario": _ids(POLICIES, NAMES),
    "test_scenario": _ids(POLICIES, NAMES),
    "6.12": _ids(POLICIES, NAMES),
    "scenario and ptrace": _ids(POLICIES, ("ptrace_seize",)),
    "isolated": _ids(_CLOSED, NAMES),
    "isolated and not debug": _ids(("isolated",), NAMES),
    "[6.12-isolated-": _ids(_CLOSED, NAMES),
    "ISOLATED-DEBUG and PTRACE_s": _ids(("isolated-debug",), ("ptrace_seize",)),
    "proc_mem": _ids(POLICIES, ("proc_mem_write",)),
    "proc": _ids(POLICIES, ("proc_mem_write", "process_vm_readv")),
    "process-vm-writev and kthread": _ids(("kthread",), ("process_vm_readv",)),  # a surface id
    "confidentiality and not kthread": _ids(POLICIES[:3], ("process_vm_readv",)),  # an effect
    "6.12-kthread-nothing": _ids(("kthread",), ("nothing",)),
    "[6.12-isolated-dev_mem]": _ids(("isolated",), ("dev_mem",)),
    "isolated-dev_mem]": _ids(("isolated",), ("dev_mem",)),
    "_mem]": _ids(POLICIES, ("dev_mem",)),
    "nothing or ptrace_seize and kthread": (
        _ids(POLICIES, ("nothing",)) | _ids(("kthread",), ("ptrace_seize",))
    ),
    "(nothing or ptrace_seize) and kthread": _ids(("kthread",), ("nothing", "ptrace_seize")),
    "ptrace_seize and not not kthread": _ids(("kthread",), ("ptrace_seize",)),
    "\tnothing  and(kthread or baseline) ": _ids(("kthread", "baseline"), ("nothing",)),
    "not (kthread or isolated)": _ids(("baseline",), NAMES),
    "not scenario": set(),
    "nothing and ptrace": set(),
    "AND": set(),
    "no-such-word": set(),
}
"""The cells that an expression chooses."""

WRONG = (
    *("(", ")", "()", "or", "not", "nothing and", "nothing or or kthread", "nothing )"),
    *("nothing kthread", "nothing,kthread", "nothing=kthread", "nothing(kthread=1)"),
    *("'nothing'", "nothing & kthread", "nothing\nkthread", "noth*", "~nothing", "nothing not"),
)
"""Expressions that cannot be read."""

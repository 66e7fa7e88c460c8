# SPDX-License-Identifier: GPL-2.0-only
"""Kept runs in which a guest wrote what might harm a page, and what came after them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kept_runs import keep_run
from scripted_lab import outcome
from tallies import BEFORE

from harness.model.verdict import Verdict
from harness.results.salvaged_run import SalvagedRun, salvage

if TYPE_CHECKING:
    from pathlib import Path

MARKUP = "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"
CONTROLS = "\x1b[31mred\x1b[0m \u202ereversed\u202c"
SHOWN = "\\x1b[31mred\\x1b[0m \\u202ereversed\\u202c"
CONSOLE = f"begin\n{'x' * 1_000_000}\n{MARKUP}{CONTROLS}\n"

HOSTILE = "isolated__proc_mem_write"
LOST = "kthread__ptrace_seize"
TALLY = BEFORE.as_json()
WITNESS = {
    "before": TALLY,
    "attacked": TALLY,
    "after": TALLY,
    "reached": 1,
    "taint": 0,
    "entered": {},
    "stalled_seconds": 0.5,
}


def keep_hostile_run(root: Path) -> SalvagedRun:
    """Keep the run `new`: a refused attack with hostile text, and an error with a long console."""
    call = {"call": "openat", "args": ["-100", MARKUP], "setup": False, "seconds": 0.1}
    refused = replace(
        outcome(Verdict.HELD, f"EPERM {MARKUP}{CONTROLS}"),
        attempt=[{**call, "errno": "EPERM"}],
        witness=WITNESS,
        hooks=("security_ptrace_access_check", MARKUP),
        refusable=("security_ptrace_access_check",),
    )
    lost = replace(outcome(Verdict.ERROR, "silent"), console=CONSOLE, traceback="at x")
    keep_run(root, "new", script={HOSTILE: refused, LOST: lost})
    return salvage("new", root=root)


def keep_old_run(root: Path) -> SalvagedRun:
    """Keep the run `old`, in which the isolated handler lost what it held later."""
    keep_run(root, "old", script={HOSTILE: outcome(Verdict.TAMPERED, MARKUP)})
    return salvage("old", root=root)

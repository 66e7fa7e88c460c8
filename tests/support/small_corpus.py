# SPDX-License-Identifier: GPL-2.0-only
"""A corpus that does not grow: tests that compare counts and texts to the letter take it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import SCENARIOS, Hole, corpus
from harness.scenarios.corpus import Corpus

NAMES = (
    "nothing",
    "host_tamper",
    "ptrace_seize",
    "proc_mem_write",
    "process_vm_readv",
    "escape_openat",
    "dev_mem",
)
POLICIES = ("baseline", "isolated", "isolated-debug", "kthread")

_LOST = Hole(Verdict.TAMPERED, "who writes all of memory writes the handler's too")
_DECLARED: dict[str, dict[str, Any]] = {
    "escape_openat": {"not_applicable": {"kthread": "nothing confines kernel code"}},
    "dev_mem": {"holes": dict.fromkeys(("isolated", "isolated-debug", "kthread"), _LOST)},
}
_NOTHING: dict[str, Any] = dict.fromkeys(
    ("holes", "denied_by", "not_applicable"), MappingProxyType({})
)

SMALL = Corpus(
    {name: replace(SCENARIOS[name], **{**_NOTHING, **_DECLARED.get(name, {})}) for name in NAMES},
    {name: variant for name, variant in VARIANTS.items() if name in POLICIES},
)

CELLS = 28
NOT_APPLICABLE = ("6.12-kthread-escape_openat",)
HOLES = ("6.12-isolated-dev_mem", "6.12-isolated-debug-dev_mem")
AS_EXPECTED = "28 cells: 28 as expected, 0 unexpected, 0 errors, 2 known holes"
"""What a run of these counts: said here to the letter, not computed by what is tested."""


def changed(among: Corpus, name: str, **declared: Any) -> Corpus:
    """The corpus with one scenario that declares something else."""
    scenario = replace(among.scenarios[name], **declared)
    return replace(among, scenarios={**among.scenarios, name: scenario})


def ship() -> None:
    """Have this process's command line take the small corpus for what ships.

    To be called before the modules are imported that take it from there.
    """
    corpus.SHIPPED = SMALL

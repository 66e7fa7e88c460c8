# SPDX-License-Identifier: GPL-2.0-only
"""The demo: its attack, and what its verdicts mean in plain English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.results.result_line import ResultLine

ATTACK = "proc_mem_write"
VARIANTS = ("baseline", "isolated", "kthread")

NOT_AS_EXPECTED = (
    "The demo did not come out as expected, so its verdicts explain nothing. The report above "
    "names the cells. `umd-harness doctor` says what this machine lacks."
)

_MEANING = (
    "baseline has no isolation: root changed the driver's memory, and the kernel accepted what the "
    "driver then said ({baseline}).",
    "isolated has our isolation: the kernel kept root away from the driver's memory ({isolated}), "
    "and each reply was right.",
    "kthread runs the same code in a kernel thread, which has no memory file for root to open "
    "({kthread}).",
    "So under this attack the isolated driver is as hard to tamper with as code in the kernel. "
    "Other attacks give other verdicts.",
    "You can believe it: on each variant the host also made no attack, and then planted an error, "
    "and the verdicts were held and tampered.",
)
"""Five lines. The verdicts' details go into the braces."""


def meaning(lines: Iterable[ResultLine]) -> list[str]:
    """Say what the results of the demo mean, if all are as expected."""
    details = {line.variant: visible(line.detail) for line in lines if line.scenario == ATTACK}
    return [text.format(**details) for text in _MEANING]

# SPDX-License-Identifier: GPL-2.0-only
"""Known holes that a campaign leaves out: those by which root only has to write a file.

Without this, each campaign would find them again, by many programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

_FILES: Final = {
    "oom_score_adj_sysrq": ("/proc/{handler}/oom_score_adj", "/proc/{handler}/oom_adj"),
    "fail_nth": ("/proc/{handler}/fail-nth",),
    "fail_function": ("/proc/{handler}/make-it-fail",),
    "threads_max": ("/proc/sys/kernel/threads-max",),
    "pid_max": ("/proc/sys/kernel/pid_max",),
    "modprobe_hang": ("/proc/sys/kernel/modprobe",),
    "modules_disabled_after_unload": ("/proc/sys/kernel/modules_disabled",),
}
"""The files, by the scenario whose hole they are."""


def known_ways(corpus: Corpus, variant: str) -> tuple[tuple[str, ...], ...]:
    """Return the ways of calls (program.way) that open a file of a known hole of the variant."""
    subject = corpus.variants[variant]
    return tuple(
        (f"openat({file})",)
        for name, files in _FILES.items()
        if corpus.scenarios[name].hole_on(subject) is not None
        for file in files
    )

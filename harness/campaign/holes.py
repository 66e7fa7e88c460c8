# SPDX-License-Identifier: GPL-2.0-only
"""Known holes that a campaign leaves out: files by which root marks a handler without effect.

Without this, a campaign would find each of them again, by many programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus

_MARKING: Final = {
    "oom score": ("oom_score_adj", "oom_adj"),
    "faults": ("make-it-fail", "fail-nth"),
}
"""The files of /proc/<pid> that only set a mark, by the violation that the mark is."""


def marking_ways(corpus: Corpus, variant: str) -> tuple[tuple[str, ...], ...]:
    """Return the ways of calls that open such a file, if that is a known hole of the variant."""
    subject = corpus.variants[variant]
    holes = [(one.shows, one.hole_on(subject)) for one in corpus.scenarios.values()]
    marks = {shows for shows, hole in holes if hole is not None and hole.partly}
    return tuple(
        (f"openat(/proc/{{handler}}/{file})",)
        for shows, files in _MARKING.items()
        if shows in marks
        for file in files
    )

# SPDX-License-Identifier: GPL-2.0-only
"""The seconds that cells took in an earlier run, by scenario.

Shards are balanced by them, and the time that is left of a run is estimated.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import CHECKOUT
from harness.results.recorded_run import read_run
from harness.results.run_summary import SUFFIX, mean_seconds, read_summary_file

if TYPE_CHECKING:
    from collections.abc import Mapping

SUMMARIES = CHECKOUT / "docs/runs"
"""The summaries that the repository keeps: every clone of a commit has the same."""


def seconds_of(name: str | None, *, root: Path) -> Mapping[str, float]:
    """Return the mean seconds of a cell of each scenario of a run, or of a file of its summary.

    Without a name, they are those of the summary with the most cells in the repository, of those
    that have some, and empty if there is none. Raises UserError if the named run has none.
    """
    if name is None:
        return kept_seconds()
    path = Path(name)
    if path.suffix == SUFFIX and path.is_file():
        found: Mapping[str, float] = read_summary_file(path).seconds
    else:
        found = mean_seconds(read_run(name, root=root).cells.values())
    if not found:
        raise UserError(f"{name} does not say how long its cells took", hint="name another run")
    return found


def kept_seconds() -> Mapping[str, float]:
    """Return the figures of the summary with the most cells: of equal ones, the newest.

    Empty outside of a checkout.
    """
    kept = map(read_summary_file, sorted(SUMMARIES.glob(f"*Z-*{SUFFIX}"), reverse=True))
    timed = (one for one in kept if one.seconds)
    most = max(timed, key=lambda one: sum(map(len, one.cells.values())), default=None)
    return most.seconds if most else {}

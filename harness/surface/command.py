# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness surface`: count the places that act on a task, and compare them with the corpus."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.judge.cells import check_corpus, check_variants
from harness.kernel.series.lines import DEFAULT_LINE, kernel_lines
from harness.lab.lab import Lab
from harness.scenarios.corpus import SHIPPED
from harness.surface.diff import added, added_by_series, diff_report, justify, series_report
from harness.surface.distributions import are_reviewed, lacking, options_report
from harness.surface.facts import Facts, facts_of_line, facts_of_tree, line_tree, nodes_of
from harness.surface.nodes import VARIANT
from harness.surface.probe import probe, writable
from harness.surface.report import count, is_closed, judge_moved, probe_report, report
from harness.surface.review import EntryState
from harness.surface.tree import built_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


STOCK = "stock"
"""The name of the kernel without our series."""


def count_surface(
    chosen: str, *, everything: bool, say: Callable[[str], None], progress: Callable[[str], None]
) -> int:
    """Count `chosen`, a line or a path; return 1 if something is open, else 0. Raises UserError."""
    check_corpus(SHIPPED)
    facts = _facts(chosen, progress)
    counted = count(facts, scenarios_by_row())
    say(report(facts, counted, everything=everything))
    options = [] if _is_path(chosen) else lacking()
    if options:
        say(options_report(options))
    return 0 if is_closed(counted) and are_reviewed(options) else 1


def diff_surface(
    base: str, chosen: str, *, say: Callable[[str], None], progress: Callable[[str], None]
) -> int:
    """Print the entries that `chosen` has and `base` lacks; return 1 if one is open, else 0.

    If `base` is the stock kernel, everything that our series adds must be justified, or this
    returns 1. Raises UserError.
    """
    check_corpus(SHIPPED)
    facts = _facts(chosen, progress)
    if base == STOCK:
        line_tree(chosen, progress=progress)
        progress("surface: comparing the sources")
        additions, stale = justify(added_by_series(chosen, facts))
        say(series_report(chosen, additions, stale))
        return 0 if all(one.requirement for one in additions) and not stale else 1
    before = _facts(base, progress)
    counted = count(facts, scenarios_by_row())
    say(diff_report(before, facts, counted))
    new = {(one.route, one.name) for one in added(before, facts)}
    opened = {(one.route.name, e.name) for one in counted for e in one.of(EntryState.OPEN)}
    return 1 if new & opened else 0


def check_kernels(names: Sequence[str]) -> None:
    """Raise UserError for a name that is no kernel, before the others are built.

    The first of two may be `stock`, if the second is a line.
    """
    lines = kernel_lines(KERNEL_PATCHES)
    is_against_stock = len(names) > 1 and names[0] == STOCK
    for name in names[is_against_stock:]:
        if name == STOCK or (is_against_stock and name not in lines):
            raise UserError("stock comes first, then a line", hint=f"--diff {STOCK} {DEFAULT_LINE}")
        if _is_path(name):
            built_tree(Path(name))
        elif name not in lines:
            hint = f"take {', '.join(lines)} or the path of a built tree"
            raise UserError(f"there is no kernel {name}", hint=hint)


def probe_surface(
    line: str,
    variant: str,
    *,
    jobs: int,
    say: Callable[[str], None],
    progress: Callable[[str], None],
) -> int:
    """Write to each file of a variant's guest and report which invariants change.

    Return 1 if any is open. Raises UserError.
    """
    check_variants(SHIPPED, [variant])
    check_corpus(SHIPPED)
    lab = Lab.open(line, {VARIANT, variant}, progress=progress)
    nodes = writable(nodes_of(lab, progress=progress))
    probed = probe(lab, nodes, variant=variant, jobs=jobs, progress=progress)
    judged = judge_moved(probed, scenarios_by_row())
    say(probe_report(f"{line}, {variant}", probed, judged))
    return 1 if any(entry.state is EntryState.OPEN for entry in judged) else 0


def scenarios_by_row() -> dict[str, list[str]]:
    """Return the names of the scenarios on each row of the attack surface."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for scenario in SHIPPED.scenarios.values():
        rows[scenario.surface].append(scenario.name)
    return dict(rows)


def _facts(chosen: str, progress: Callable[[str], None]) -> Facts:
    """Run the routes on a line, or on the tree at a path. Raises UserError."""
    if _is_path(chosen):
        return facts_of_tree(Path(chosen), progress=progress)
    return facts_of_line(Lab.open(chosen, [VARIANT], progress=progress), progress=progress)


def _is_path(chosen: str) -> bool:
    return "/" in chosen or Path(chosen).is_dir()

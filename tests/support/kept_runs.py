# SPDX-License-Identifier: GPL-2.0-only
"""Runs of the small corpus on disk, written by what writes real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outcomes import as_expected
from small_corpus import SMALL

from harness.judge.cells import all_cells
from harness.judge.controls import closure
from harness.results.run_directory import RunDirectory
from harness.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus


def keep_run(
    root: Path,
    name: str,
    *,
    without: Collection[Cell] = (),
    header: Mapping[str, Any] | None = None,
    script: Mapping[str, Outcome] | None = None,
    corpus: Corpus = SMALL,
) -> Path:
    """Keep a run in which all came out as expected, but for the script.

    Those of `without` were not run, nor is anything that rests on them final.
    """
    run = RunDirectory.create(root, name)
    run.announce()
    ledger = Ledger(run, corpus)
    outcomes = as_expected(corpus, **(script or {}))
    for cell in closure(corpus, all_cells(corpus)):
        if cell not in without:
            ledger.add(cell, outcomes[cell])
    ledger.close()
    assert not ledger.unsaved
    facts = {
        "started": "2026-11-25T18:41:48+00:00",
        "finished": "2026-11-25T18:49:42+00:00",
        "line": "6.12",
        "image": "0123456789abcdef",
        "series": "fedcba9876543210",
        "host": "x86_64, Linux 6.12",
        "stopped_by": None,
        "error": None,
    }
    run.write_header({**facts, **(header or {})})
    run.remove_locks()
    return run.path

# SPDX-License-Identifier: GPL-2.0-only
"""The hash of the harness's code that takes part in verdicts: a run records it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.host.paths import GUEST_IMAGES, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = (
    "attacker",
    "brought",
    "engines",
    "guests",
    "host",
    "judge",
    "lab",
    "model",
    "results",
    "run",
    "scenarios",
    "vm",
    "witness",
)
"""The folders of `harness/` that count."""

KERNEL = ("kernel/build/images.py", "kernel/build/renamed.py")
"""The modules of `harness/kernel/` that find what the witness looks at, and so count as well. The
others are in the key of a kernel's image."""

APART = {
    "brought/digests.py": "compares the user's files when runs are merged or resumed",
    "brought/options.py": "reads the command line",
    "brought/scenario_files.py": "loads the user's own attacks, which are never kept",
    "host/facts.py": "describes the host for run.json",
    "host/output_paths.py": "checks where a command may write",
    "host/version.py": "names the version of the harness",
    "judge/parity.py": "compares results of two variants for a report",
    "judge/selection.py": "chooses cells by `-k`",
    "results/bench_figures.py": "keeps figures of `bench`",
    "results/cell_seconds.py": "keeps the seconds by which shards are balanced",
    "results/counts.py": "counts results",
    "results/defence_summary.py": "keeps figures of `defences`",
    "results/held_counts.py": "counts results for a table",
    "results/kept_cell.py": "reads a cell for a report",
    "results/matrix_figures.py": "keeps figures of `bench`",
    "results/repetition.py": "names the repetitions of a run",
    "results/run_header.py": "describes a run; the facts on which cells rest are in their grounds",
    "results/run_name.py": "names runs",
    "results/run_summary.py": "writes the results of a run in short",
    "results/run_union.py": "checks runs that are merged",
    "results/salvaged_run.py": "reads a damaged run for a report",
    "results/shard_record.py": "describes a shard",
    "results/system_figures.py": "keeps figures of `bench`",
    "run/kept_reports.py": "writes the reports of a run",
    "run/merge.py": "merges runs",
    "run/merged_evidence.py": "merges runs",
    "run/shard.py": "divides cells among machines",
}
"""The modules of these folders that neither run a cell nor judge it, and what each does instead.
They take no part in the grounds of a cell."""


def code_digest() -> str:
    """Return the SHA-256 of the code that runs cells and judges them, guests' sources included."""
    total = hashlib.sha256()
    for name, path in sorted((*code_files(), *_guest_files())):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def code_files() -> Iterator[tuple[str, Path]]:
    """Yield each file of the harness that counts, after its name in the package."""
    for folder in FOLDERS:
        for path in (PACKAGE / folder).rglob("*"):
            if path.suffix in (".c", ".py", ".toml"):
                yield str(path.relative_to(PACKAGE)), path
    for name in KERNEL:
        yield name, PACKAGE / name


def judging_files() -> Iterator[tuple[str, Path]]:
    """Yield the files that run cells and judge them, as `code_files` does."""
    return (entry for entry in code_files() if entry[0] not in APART)


def _guest_files() -> Iterator[tuple[str, Path]]:
    """Yield each source of the guests, after its name."""
    for path in GUEST_IMAGES.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield f"{GUEST_IMAGES.name}/{path.relative_to(GUEST_IMAGES)}", path

# SPDX-License-Identifier: GPL-2.0-only
"""A run read back from its folder, whether or not it got to its end."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.results.records import RUN_AGAIN, schema_of
from harness.results.result_line import READABLE, SCHEMA
from harness.results.run_directory import RunDirectory
from harness.results.run_name import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.model.cell import Cell
    from harness.results.result_line import ResultLine
    from harness.results.run_header import RunHeader

_NAMED = 3  # runs that an error names


@dataclass(frozen=True)
class RecordedRun:
    """A run: its name, its header (run.json), and the lines of its cells, in their order."""

    name: str
    header: RunHeader
    cells: Mapping[Cell, ResultLine] = field(default_factory=dict)
    path: Path = Path()
    """Its folder."""

    @property
    def trouble(self) -> str:
        """Why it did not get to its end; empty if it did."""
        return self.header.trouble

    def lacks(self, cell: Cell) -> bool:
        """Whether a cell is missing because the run was cut short before that chosen cell."""
        chosen = self.header.selected
        return bool(self.trouble) and (chosen is None or cell.id in chosen)

    @property
    def not_run(self) -> list[str]:
        """The ids of the chosen cells that are not there."""
        found = {cell.id for cell in self.cells}
        return [name for name in self.header.selected or () if name not in found]


def read_run(name: str, *, root: Path) -> RecordedRun:
    """Read a run by its folder, or by its name below `root`; `latest` is one of those names.

    Raises UserError if it is no run, was recorded by another version, is damaged, is empty or has
    another number of cells than its run.json says.
    """
    run = find_run(name, root=root)
    where = run.path.name
    with _readable(where):
        header, lines = run.header(), run.lines()
    _check_whole(run, header, len(lines))
    if not lines:
        raise UserError(f"the run {where} has no results", hint="name another run")
    return RecordedRun(where, header, {line.cell: line for line in lines}, run.path)


def find_run(name: str, *, root: Path) -> RunDirectory:
    """Return the folder of a run, named as for `read_run`, whatever its results are like.

    Raises UserError if it is no run, or was recorded by another version.
    """
    run = RunDirectory(run_folder(name, root))
    with _readable(run.path.name):
        schema = schema_of(run.path / "run.json")
    if schema not in READABLE:
        raise UserError(
            f"the run {run.path.name} was recorded by another version of the harness "
            f"(schema {schema}, and this version reads {SCHEMA})",
            hint="run its scenarios again, or read it with the version that recorded it",
        )
    return run


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Raise UserError if a file of the run cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the run {where} cannot be read: {error.strerror}", hint=RUN_AGAIN
        ) from error


def _check_whole(run: RunDirectory, header: RunHeader, found: int) -> None:
    """Raise UserError unless results.jsonl has the lines that run.json counted at the run's end."""
    counted = header.counts.get("cells", found)
    if found != counted:
        raise UserError(
            f"{run.path / 'results.jsonl'} has {found} cells, and run.json counts {counted}: "
            "results were lost or added",
            hint=RUN_AGAIN,
        )


def run_folder(name: str, root: Path) -> Path:
    """Return the folder of a run, named as for `read_run`. Raises UserError if it is no run."""
    for folder in (Path(name), root / name):
        if (folder / "run.json").is_file():
            return folder.resolve()
    if Path(name).exists() or (root / name).exists():
        what = f"{name} is not the folder of a run: it has no run.json"
    else:
        what = f"there is no run {name}, neither here nor in {root}"
    raise UserError(what, hint=_known(name, root))


def _known(name: str, root: Path) -> str:
    for folder in (Path(name), root / name):
        if (folder / LATEST / "run.json").is_file():
            return f"name one of the runs in it, such as {name.rstrip('/')}/{LATEST}"
    runs = runs_in(root)
    if not runs:
        return f"{root} has no runs yet; make one: umd-harness run --results {root}"
    some = ", ".join(runs[-_NAMED:])
    return hint_for(name, [LATEST, *runs], otherwise=f"name one, such as {some}")


def runs_in(root: Path) -> list[str]:
    """Return the names of the runs below `root`, the newest last."""
    names = (path.parent.name for path in root.glob("*/run.json"))
    return sorted(name for name in names if name != LATEST)

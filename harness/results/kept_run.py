# SPDX-License-Identifier: GPL-2.0-only
"""A run read back from the folder that `harness.results.folder` wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.model.verdict import Axes, Verdict
from harness.results.folder import SCHEMA, RunDirectory, cell_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.result import Result
    from harness.model.cell import Cell

LATEST = "latest"
_NAMED = 3  # runs that an error names


@dataclass(frozen=True)
class Found:
    """What a run found of one cell.

    `lost` has the names of the axes that were lost, and `a step` where something was gained; it
    is empty where there is no conclusion. `ok` is whether it came out as `expected`; a `control`
    (or a reference, which is its own) has to, or the attack proves nothing.
    """

    verdict: Verdict
    lost: frozenset[str]
    detail: str
    expected: Verdict
    ok: bool
    control: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether there is no conclusion to compare: an error, or a control that did not win."""
        return self.verdict is Verdict.ERROR or (self.control and not self.ok)

    @classmethod
    def of(cls, result: Result) -> Found:
        """What a result of this version's corpus says."""
        return cls(
            verdict=result.verdict,
            lost=lost(result.axes, result.gained),
            detail=result.detail,
            expected=result.expected,
            ok=result.ok,
            control=result.control == result.cell.variant,
        )


@dataclass(frozen=True)
class KeptRun:
    """A run as it was kept: its name, its header (run.json) and its cells, in their order."""

    name: str
    header: Mapping[str, Any]
    cells: Mapping[Cell, Found] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """Why it did not get to its end; empty if it did."""
        if stopped := self.header.get("stopped_by"):
            return f"stopped by {stopped}"
        if error := self.header.get("error"):
            return str(error)
        return "" if self.header.get("finished") else "it has not ended"

    def lacks(self, cell: Cell) -> bool:
        """Whether a cell that is not there should be: it was chosen, and the run was cut short."""
        chosen = self.header.get("selected")
        return bool(self.trouble) and (chosen is None or cell.id in chosen)

    @property
    def missing(self) -> int:
        """How many of the chosen cells are not there."""
        found = {cell.id for cell in self.cells}
        return sum(one not in found for one in self.header.get("selected") or ())


def lost(axes: Axes | None, gained: Sequence[str]) -> frozenset[str]:
    """Return the axes that were lost, and `a step` if something was gained."""
    if axes is None:
        return frozenset()
    names = {name for name, is_lost in vars(axes).items() if is_lost}
    return frozenset(names | ({"a step"} if gained else set()))


def read_run(name: str, *, root: Path) -> KeptRun:
    """Read a run by its folder, or by its name below `root`, of which `latest` is one.

    Raises UserError for what is no run, was kept by another version or cannot be read.
    """
    run = RunDirectory(_folder(name, root).resolve())
    where = run.path.name
    try:
        header, lines = run.header(), run.lines()
        if header.get("schema") != SCHEMA:
            raise UserError(
                f"the run {where} was kept by another version of the harness "
                f"(schema {header.get('schema')}, and this one reads {SCHEMA})",
                hint="run its scenarios again, or compare with the version that kept it",
            )
        cells = dict(map(_found, lines))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise UserError(
            f"the run {where} is damaged: {why}",
            hint=f"run its scenarios again; what there is of it lies in {run.path}",
        ) from error
    if not cells:
        raise UserError(f"the run {where} has no results", hint="name another run")
    return KeptRun(where, header, cells)


def _found(line: dict[str, Any]) -> tuple[Cell, Found]:
    cell, verdict = cell_of(line), Verdict(line["verdict"])
    axes = None if None in line["axes"].values() else Axes(**line["axes"])
    if axes is not None and axes.verdict is not verdict:
        raise ValueError(f"{cell.id} is {verdict} and its axes say otherwise")
    return cell, Found(
        verdict=verdict,
        lost=lost(axes, line["gained"]),
        detail=line["detail"],
        expected=Verdict(line["expected"]),
        ok=bool(line["ok"]),
        control=line["control"]["variant"] == cell.variant,
    )


def _folder(name: str, root: Path) -> Path:
    """Find the folder of a run."""
    for folder in (Path(name), root / name):
        if (folder / "run.json").is_file():
            return folder
    if Path(name).exists() or (root / name).exists():
        what = f"{name} is not the folder of a run: it has no run.json"
    else:
        what = f"there is no run {name}, neither here nor in {root}"
    raise UserError(what, hint=_known(root))


def _known(root: Path) -> str:
    runs = sorted(path.parent.name for path in root.glob("*/run.json"))
    named = [name for name in runs if name != LATEST][-_NAMED:]
    return f"name one, such as {', '.join(named)}" if named else f"there are no runs in {root}"

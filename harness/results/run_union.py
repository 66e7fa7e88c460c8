# SPDX-License-Identifier: GPL-2.0-only
"""Runs that are parts of one: checked for gaps, doubles and differences, then made one."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from harness.host.errors import UserError
from harness.results.result_line import SCHEMA
from harness.results.run_header import SAME, FlavourImages, RunHeader
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.model.cell import Cell
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

_SAME = {
    "line": "kernel line",
    **SAME,
    "code": "code of the harness",
    "brought": "file of attacks or variants",
}
"""The facts that all parts share, and what they are called; flavours may be of other variants."""

_AGAIN = "run the parts again, all on the same images and with the same options"


def check_parts(parts: Sequence[RecordedRun]) -> None:
    """Raise UserError unless the runs are whole, alike, and all the parts that there are."""
    for part in parts:
        _check_whole(part)
    for part in parts[1:]:
        _check_alike(parts[0], part)
    _check_shards(parts)


def owners(parts: Sequence[RecordedRun]) -> dict[Cell, RecordedRun]:
    """Return the run from which each cell is taken. Raises UserError for a cell of two runs.

    Reference cells run in each part. The one that counts is the first that is not as expected.
    """
    found: dict[Cell, RecordedRun] = {}
    for part in parts:
        for cell, line in part.cells.items():
            first = found.setdefault(cell, part)
            if first is part:
                continue
            if cell.scenario not in REFERENCES:
                raise UserError(
                    f"{cell.id} is in both {first.name} and {part.name}",
                    hint="name each run once, and runs that have no cell in common",
                )
            if first.cells[cell].ok and not line.ok:
                found[cell] = part
    return found


def lines_of(found: Mapping[Cell, RecordedRun]) -> dict[Cell, ResultLine]:
    """Return the line of each cell, from its run."""
    return {cell: part.cells[cell] for cell, part in found.items()}


def united_header(parts: Sequence[RecordedRun]) -> RunHeader:
    """Return the header of the one run, as far as the parts say it.

    The parts ran beside each other: so the run took as long as the longest of them.
    """
    headers = [part.header for part in parts]
    names = tuple(part.name for part in parts)
    together: dict[str, Any] = {
        "schema": SCHEMA,
        "started": min(filter(None, (one.started for one in headers)), default=None),
        "finished": max(filter(None, (one.finished for one in headers)), default=None),
        "resumed": (),
        "arguments": ("merge", *names),
        "selected": _selected(headers),
        "shard": None,
        "merged": names,
        "jobs": sum(one.jobs or 0 for one in headers) or None,
        "seconds": max((one.seconds or 0.0 for one in headers), default=None),
        "pytest_exit_status": None,
        "flavours": _flavours(headers),
        "opened_for": _each(one.opened_for for one in headers),
        "scenario_files": _each(one.scenario_files for one in headers),
        "variant_files": _each(one.variant_files for one in headers),
    }
    return msgspec.structs.replace(headers[0], **together)


def _check_whole(part: RecordedRun) -> None:
    missing = part.header.counts.get("not_run", 0) or len(part.not_run)
    if trouble := part.trouble or (f"cells that were not run: {missing}" if missing else ""):
        raise UserError(
            f"the run {part.name} is not whole: {trouble}",
            hint=f"go on with it: umd-harness run --resume {part.name}; then merge again",
        )


def _check_alike(one: RecordedRun, other: RecordedRun) -> None:
    for name, what in _SAME.items():
        here, there = (_comparable(name, run, one, other) for run in (one, other))
        if here != there:
            raise UserError(
                f"the {what} of {other.name} is not that of {one.name}: "
                f"{str(there)[:40] or 'none'} and {str(here)[:40] or 'none'}",
                hint=_AGAIN,
            )


def _comparable(name: str, run: RecordedRun, *both: RecordedRun) -> object:
    """Return a fact of a run, of the flavours that both runs have."""
    if name != "flavours":
        return getattr(run.header, name)
    return {
        flavour: images
        for flavour, images in run.header.flavours.items()
        if all(flavour in each.header.flavours for each in both)
    }


def _check_shards(parts: Sequence[RecordedRun]) -> None:
    """Raise UserError for shards of different divisions, doubled or missing."""
    first = parts[0].header.shard
    for part in parts:
        shard = part.header.shard
        if (shard is None) is not (first is None):
            raise UserError(
                f"of {parts[0].name} and {part.name}, one is a shard and the other is none",
                hint="name runs of one kind",
            )
        if shard and first and (shard.of, shard.plan) != (first.of, first.plan):
            raise UserError(
                f"{parts[0].name}, shard {first}, and {part.name}, shard {shard}, were divided "
                "otherwise",
                hint="run all shards with the same -k, --variant and --balance",
            )
    if first:
        there = [part.header.shard.number for part in parts if part.header.shard]
        if lacking := [f"{number}/{first.of}" for number in first.filled if number not in there]:
            raise UserError(
                f"no run of shard {', '.join(lacking)} is named", hint="name all shards that ran"
            )


def _selected(headers: Iterable[RunHeader]) -> tuple[str, ...] | None:
    """Return the ids of all chosen cells; None if a part does not say them."""
    every = [one.selected for one in headers]
    known = [ids for ids in every if ids is not None]
    return _each(known) if len(known) == len(every) else None


def _flavours(headers: Iterable[RunHeader]) -> dict[str, FlavourImages]:
    return {flavour: images for one in headers for flavour, images in one.flavours.items()}


def _each(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))

# SPDX-License-Identifier: GPL-2.0-only
"""A run of which all is read that can be read, and a list of what cannot.

`read_run` refuses a run that is damaged, incomplete or of another schema. A report for a person
shows what is there and says what is not.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.host.errors import UserError
from harness.judge.result import NO_VERDICT
from harness.model.verdict import Axes, Effect, Verdict
from harness.results.recorded_run import RecordedRun, run_folder
from harness.results.result_line import NOT_KEPT, READABLE, SCHEMA, Control, ResultLine
from harness.results.run_header import RunHeader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.model.cell import Cell

T = TypeVar("T", bound=msgspec.Struct)

_NAME_MAX = 255  # bytes, the limit of Linux
_NAMED = 5  # cells and lines that a sentence names

_NEEDED = {"line", "variant", "scenario", "verdict"}
"""The fields without which a line of results.jsonl says nothing."""


@dataclass(frozen=True)
class SalvagedRun:
    """What can be read of a run, and sentences about what cannot."""

    run: RecordedRun
    gaps: tuple[str, ...]


def salvage(name: str, *, root: Path) -> SalvagedRun:
    """Read a run, named as for `read_run`, as far as possible.

    Raises UserError if it is no run, or if no result can be read.
    """
    path = run_folder(name, root)
    header, of_header = _header(path / "run.json")
    cells, of_lines = _lines(path / "results.jsonl")
    run = RecordedRun(path.name, header, cells, path)
    gaps = (*of_header, *of_lines, *_missing(run))
    if not cells:
        raise UserError(
            f"no result of the run {path.name} can be read: {'; '.join(gaps) or 'it has none'}",
            hint="name another run",
        )
    return SalvagedRun(run, gaps)


def named(what: list[str]) -> str:
    """Return the first few of some names, and an ellipsis for the others."""
    return ", ".join(what[:_NAMED]) + (", …" if len(what) > _NAMED else "")


def _header(path: Path) -> tuple[RunHeader, list[str]]:
    try:
        raw = _object(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return RunHeader(), [f"run.json cannot be read: {error}"]
    schema = raw.get("schema")
    values, lost = _fields(raw, RunHeader)
    gaps = [f"run.json: {one} is damaged" for one in lost]
    if schema not in READABLE:
        absent = [name for name in _names(RunHeader) if name not in raw]
        gaps.append(
            f"the run was recorded by another version of the harness (schema {schema}, and this "
            f"version writes {SCHEMA}): a field may have had another meaning"
        )
        if absent:
            gaps.append(f"run.json has no {', '.join(absent)}")
    return RunHeader(**{**values, "schema": SCHEMA}), gaps


def _lines(path: Path) -> tuple[dict[Cell, ResultLine], list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return {}, [f"results.jsonl cannot be read: {error.strerror}"]
    cells: dict[Cell, ResultLine] = {}
    damaged: list[str] = []
    absent: dict[str, None] = {}
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line, without = _line(text)
        except (ValueError, RecursionError):
            damaged.append(str(number))
            continue
        absent |= dict.fromkeys(without)
        cells[line.cell] = line
    gaps = [f"fields that lines of results.jsonl lack: {', '.join(absent)}"] if absent else []
    if damaged:
        gaps.append(f"lines of results.jsonl that cannot be read: {named(damaged)}")
    return cells, gaps


def _line(text: bytes) -> tuple[ResultLine, list[str]]:
    """Return a line, and the names of the fields that it has not. Raises ValueError."""
    line, absent = _whole_line(text), list[str]()
    if line is None:
        values, lost = _fields(_object(text), ResultLine)
        absent = [one.name for one in _known(ResultLine) if one.required]
        absent = [name for name in absent if name not in values and name != "schema"]
        if _NEEDED & {*lost, *absent}:
            raise ValueError("it names no cell, or has no verdict")
        line = ResultLine(**{**_unknown(values), **values, "schema": SCHEMA})
    name = line.cell.id
    if "/" in name or "\0" in name or len(os.fsencode(name)) > _NAME_MAX:
        raise ValueError("its cell cannot be the name of a folder")
    return line, absent


def _whole_line(text: bytes) -> ResultLine | None:
    """Return a line that has all fields of this version; None if it has not."""
    try:
        line = msgspec.json.decode(text, type=ResultLine)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return line if line.schema == SCHEMA else None


def _unknown(values: dict[str, Any]) -> dict[str, Any]:
    """Return what stands for the fields that a line has not."""
    verdict, variant = values["verdict"], values["variant"]
    axes = Axes(
        integrity=verdict is Verdict.TAMPERED,
        availability=verdict is Verdict.DISRUPTED,
        confidentiality=verdict is Verdict.LEAKED,
    )
    expected = values.get("expected", verdict)
    return {
        **NOT_KEPT,
        "effect": Effect.NONE,
        "surface": "",
        "answers": (),
        "control": Control(variant=variant, verdict=verdict),
        "axes": None if verdict in NO_VERDICT else axes,
        "expected": expected,
        "ok": verdict is expected and verdict is not Verdict.ERROR,
    }


def _object(text: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError and RecursionError."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def _fields(raw: dict[str, Any], kind: type[T]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that can be converted, and the names of those that cannot."""
    values: dict[str, Any] = {}
    lost = []
    for field in _known(kind):
        if field.name in raw:
            try:
                values[field.name] = msgspec.convert(raw[field.name], field.type)
            except msgspec.ValidationError:
                lost.append(field.name)
    return values, lost


@cache
def _known(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.name for field in _known(kind)]


def _missing(run: RecordedRun) -> Iterator[str]:
    """Yield sentences about cells that the run should have."""
    if run.trouble:
        yield f"the run was cut short: {run.trouble}"
    if absent := run.not_run:
        yield f"chosen cells without a result ({len(absent)}): {named(absent)}"
    found = len(run.cells)
    counted = run.header.counts.get("cells", found)
    if counted != found:
        yield f"run.json counts {counted} cells, and results.jsonl has {found}"
    if not_run := run.header.counts.get("not_run"):
        yield f"cells that were not run: {not_run}"

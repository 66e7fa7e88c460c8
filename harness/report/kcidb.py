# SPDX-License-Identifier: GPL-2.0-only
"""A run as KCIDB JSON, schema version 5.3, the format in which kernel CI systems report.

The kernel's source with its patches is the checkout, each kernel image is a build, and each cell is
a test. The status of a test says whether the cell is as expected. The verdict is in `misc`, with
the other fields of the cell's line in results.jsonl.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.report.text import explain_line, visible
from harness.results.records import json_text

if TYPE_CHECKING:
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

DEFAULT_ORIGIN = "umd_harness"
VERSION = {"major": 5, "minor": 3}

_ORIGIN = re.compile("[a-z0-9_]+")
_NOT_IN_PATH = re.compile("[^a-zA-Z0-9_-]")
_OF_CHECKOUT = ("source", "series", "started", "finished", "commit")
_OF_ENVIRONMENT = (
    *("engine", "handler", "qemu", "accelerator", "host", "host_system"),
    *("host_cpu", "host_cores", "host_memory_mib"),
)
"""Fields of run.json. Those that name paths of the user are left out."""


def kcidb(run: RecordedRun, *, origin: str = DEFAULT_ORIGIN) -> str:
    """Return the run as KCIDB JSON. `origin` names the CI system that reports it.

    Raises UserError for an origin that the schema does not allow.
    """
    if not _ORIGIN.fullmatch(origin):
        raise UserError(
            f"the origin {origin!r} has characters other than a-z, 0-9 and _",
            hint="name your CI system as KCIDB knows it, such as my_ci",
        )
    return json_text(_Report(run, origin).whole()).rstrip("\n")


class _Report:
    """The objects of a run, with their ids."""

    def __init__(self, run: RecordedRun, origin: str) -> None:
        self._run = run
        self._header = msgspec.to_builtins(run.header)
        self._origin = origin
        kernel = [run.header.source, run.header.series]
        self._checkout_id = self._id("-".join(filter(None, kernel)) or run.header.image)

    def whole(self) -> dict[str, Any]:
        """Return the whole report."""
        lines = self._run.cells.values()
        images = dict.fromkeys(map(self._image, [None, *lines]))
        return {
            "version": VERSION,
            "checkouts": [self._checkout()],
            "builds": [self._build(image) for image in images],
            "tests": [*map(self._test, lines), *map(self._missing, self._run.not_run)],
        }

    def _id(self, name: str) -> str:
        return f"{self._origin}:{name}"

    def _image(self, line: ResultLine | None) -> str:
        """Return the key of a cell's kernel image; that of the run if no machine was started."""
        return (line and line.image) or self._run.header.image

    def _facts(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self._header[name] for name in names if self._header[name] not in ("", None)}

    def _checkout(self) -> dict[str, Any]:
        header = self._run.header
        return {
            "id": self._checkout_id,
            "origin": self._origin,
            "comment": f"kernel line {header.line}, Linux {header.release}",
            "valid": True,
            "misc": self._facts(_OF_CHECKOUT),
        }

    def _build(self, image: str) -> dict[str, Any]:
        header = self._run.header
        name, parts = next(
            ((name, parts) for name, parts in header.flavours.items() if parts.image == image),
            ("default", header),
        )
        return {
            "id": self._id(image),
            "checkout_id": self._checkout_id,
            "origin": self._origin,
            "architecture": "x86_64",
            "compiler": header.compiler,
            "config_name": name,
            "status": "PASS",
            "misc": {"config": parts.config, "guest_image": parts.guest_image},
        }

    def _test(self, line: ResultLine) -> dict[str, Any]:
        path = ("umd_harness", line.variant, line.scenario)
        test = {
            **self._named(line.cell.id, line),
            "path": ".".join(_NOT_IN_PATH.sub("_", part) for part in path),
            "status": _status(line),
            "duration": line.seconds,
            "misc": _escaped(msgspec.to_builtins(line)),
        }
        return test if line.ok else {**test, "comment": explain_line(line)}

    def _missing(self, cell: str) -> dict[str, Any]:
        return {**self._named(cell, None), "status": "MISS", "comment": "the cell was not run"}

    def _named(self, cell: str, line: ResultLine | None) -> dict[str, Any]:
        variant = {"comment": f"variant {line.variant}"} if line else {}
        return {
            "id": self._id(f"{self._run.name}:{cell}"),
            "build_id": self._id(self._image(line)),
            "origin": self._origin,
            "environment": {**variant, "misc": self._facts(_OF_ENVIRONMENT)},
        }


def _status(line: ResultLine) -> str:
    if line.verdict is Verdict.ERROR:
        return "ERROR"
    if line.is_skipped:
        return "SKIP"
    return "PASS" if line.ok else "FAIL"


def _escaped(value: Any) -> Any:
    """Return a value without null, and with its text escaped: databases refuse a guest's NUL."""
    match value:
        case str():
            return visible(value)
        case dict():
            return {name: _escaped(one) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [_escaped(one) for one in value]
    return value

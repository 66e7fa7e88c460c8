# SPDX-License-Identifier: GPL-2.0-only
"""The JSON Schemas of results.jsonl and run.json, from the declarations and their docstrings.

The files are kept in docs/reference/. To renew them: python -m umd_site.json_schemas
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from sphinx.pycode import ModuleAnalyzer

from harness.host.paths import CHECKOUT
from harness.model.verdict import Axes
from harness.results.result_line import SCHEMA, Control, ResultLine
from harness.results.run_header import FlavourImages, RunHeader
from harness.results.shard_record import ShardRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES: dict[str, type[msgspec.Struct]] = {
    "results.schema.json": ResultLine,
    "run.schema.json": RunHeader,
}
"""By name: the class of a line of results.jsonl, and that of run.json."""

_FOLDER = CHECKOUT / "docs/reference"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DOCUMENTED = (ResultLine, Control, Axes, RunHeader, FlavourImages, ShardRecord)


def texts() -> dict[str, str]:
    """Return the text of each file, by its name."""
    return {name: json.dumps(_schema(kind), indent=1) + "\n" for name, kind in FILES.items()}


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of a class, with what the docstrings say of each field."""
    schema = msgspec.json.schema(kind)
    parts = schema["$defs"]
    for owner in _DOCUMENTED:
        for name, said in _meanings(owner):
            if owner.__name__ in parts:
                parts[owner.__name__]["properties"][name]["description"] = said
    parts[kind.__name__]["properties"]["schema"]["const"] = SCHEMA
    return {"$schema": _DIALECT, **schema}


def _meanings(owner: type) -> Iterator[tuple[str, str]]:
    for part in owner.__mro__:
        if part.__module__.startswith("harness."):
            found = ModuleAnalyzer.for_module(part.__module__).find_attr_docs()
            for (name, field), lines in found.items():
                if name == part.__name__:
                    yield field, " ".join(lines).strip()


if __name__ == "__main__":
    for name, text in texts().items():
        (_FOLDER / name).write_text(text)

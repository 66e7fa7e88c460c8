# SPDX-License-Identifier: GPL-2.0-only
"""Validates the files of a run by the kept JSON Schemas, as a program of another language would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path


def validator(name: str) -> Draft202012Validator:
    """The validator of a schema in docs/reference/, which is valid itself."""
    schema = json.loads((CHECKOUT / "docs/reference" / name).read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def validate_run(folder: Path) -> int:
    """Validate run.json and each line of results.jsonl; return how many lines there are."""
    validator("run.schema.json").validate(json.loads((folder / "run.json").read_text()))
    lines = (folder / "results.jsonl").read_text().splitlines()
    for line in lines:
        validator("results.schema.json").validate(json.loads(line))
    return len(lines)

# SPDX-License-Identifier: GPL-2.0-only
"""JSON that the harness keeps: declared as msgspec structs, written as ASCII, checked when read.

The text itself is made by Python's `json`: it escapes all that is not ASCII. A guest may have
written some of it, such as terminal controls or lone surrogates, which msgspec's own encoder writes
as they are or refuses. msgspec indents it and reads it, because that takes a tenth of the time.
Python's `json` does what msgspec refuses: a lone surrogate, NaN.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

RUN_AGAIN = "run the scenarios again, or name another run"


def json_line(value: object) -> str:
    """Return a value as one line of JSON, with its line break. Raises TypeError if it cannot be."""
    return json.dumps(msgspec.to_builtins(value)) + "\n"


def json_text(value: object, *, otherwise: Callable[[object], Any] | None = None) -> str:
    """Return a value as indented JSON. Raises TypeError for an object that JSON does not have.

    `otherwise` returns what stands for such an object.
    """
    plain = msgspec.to_builtins(value, enc_hook=otherwise)
    try:
        return msgspec.json.format(json.dumps(plain), indent=1) + "\n"
    except msgspec.DecodeError:
        return json.dumps(plain, indent=1) + "\n"


def decoded(
    text: bytes, kind: type[T], *, path: Path | str, line: int | None = None, hint: str = RUN_AGAIN
) -> T:
    """Return the value that the JSON stands for. Raises UserError if it is not of that `kind`.

    The error names the file `path`, and the number of the `line` in it, from 1.
    """
    with suppress(msgspec.MsgspecError, RecursionError):
        return msgspec.json.decode(text, type=kind)
    try:  # what msgspec refuses, and the words for what is damaged
        return msgspec.convert(json.loads(text), kind)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        where = "" if line is None else f" in line {line}"
        raise UserError(f"{path} is damaged{where}: {error}", hint=hint) from error


class _Versioned(msgspec.Struct, frozen=True):
    """The part of an object that says how to read the rest."""

    schema: int | None = None


def read_record(path: Path, kind: type[T], *, schema: int, wrong: str, hint: str) -> T:
    """Return the JSON object in a file. Its schema is checked first.

    `wrong` says what a file with another schema is not; `{found}` in it stands for that schema.
    Raises UserError if the file cannot be read, or is not of that `kind` and `schema`.
    """
    try:
        found = schema_of(path, hint=hint)
        if found != schema:
            raise UserError(f"{path} {wrong.format(found=found)}", hint=hint)
        return decoded(path.read_bytes(), kind, path=path, hint=hint)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint=hint) from error


def schema_of(path: Path, *, hint: str = RUN_AGAIN) -> int | None:
    """Return the schema that a JSON object in a file names. Raises OSError and UserError."""
    return decoded(path.read_bytes(), _Versioned, path=path, hint=hint).schema

# SPDX-License-Identifier: GPL-2.0-only
"""Variant files that users bring: TOML files with a policy to measure, and how to boot it.

    name = "mine"                   # the name for --variant and for the columns
    summary = "one line about it"
    cmdline = "umd_isolation=off lsm=mine"      # boot parameters
    like = "baseline"               # optional: the variant to start from
    protects = true                 # optional: it claims to protect the handler from root
    confines = false                # optional: it claims to confine the handler
    needs = ["SECURITY_MINE"]       # optional: kernel options that it needs
    writes = [["/sys/kernel/security/mine/control", "enforce\\n"]]  # optional: see Variant
    rehearsed = false               # optional: see Variant
    denials = ["mine_denied"]       # optional: see Variant

Fields that are left out have the values of the variant named by `like`. The same goes for the
declarations of scenarios: `not_applicable`, `denied_by` and `holes`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.host.suggestion import hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus

OPTION = "--variant-file"
LIKE = "baseline"
MOST_DENIALS = 4
"""The witness counts the calls of eight functions; an attack names up to three."""

_REQUIRED = ("name", "summary", "cmdline")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LINE = re.compile(r"[ -~]+")
_CONTENT = re.compile(r"[ -~]+\n?")


def load_variant_files(paths: Iterable[Path], corpus: Corpus) -> Corpus:
    """Return the corpus with the variants of the files. Raises UserError for a wrong file."""
    for path in paths:
        variant = _load(path, corpus.variants)
        corpus = corpus.with_variants({variant.name: variant})
    return corpus


def _load(path: Path, known: Mapping[str, Variant]) -> Variant:
    said = _read(path)
    _check_keys(path, said)
    like = said.pop("like", LIKE)
    if not isinstance(like, str) or like not in known:
        raise _wrong(path, f"like = {like!r} names no variant", f"take one of {', '.join(known)}")
    for key in _REQUIRED:
        if key not in said:
            raise _wrong(path, f"{key} is missing", f"a variant needs {', '.join(_REQUIRED)}")
    fields = {key: _value(path, key, value) for key, value in said.items()}
    name = fields["name"]
    if name in known:
        raise _wrong(path, f"there is a variant {name} already", "give your variant another name")
    fallbacks = (like, *known[like].like)
    return replace(known[like], **fields, like=fallbacks, origin=(OPTION, str(path)))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", hint="name a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"it is not TOML: {error}", "correct the file") from error


def _check_keys(path: Path, said: Iterable[str]) -> None:
    """Raise UserError for a key that no variant has, before a key is told as missing."""
    known = ("like", *_FORMS)
    for key in said:
        if key not in known:
            hint = hint_for(key, known, otherwise=f"the fields are {', '.join(known)}")
            raise _wrong(path, f"a variant has no field {key!r}", hint)


def _value(path: Path, key: str, value: object) -> Any:
    is_sound, form = _FORMS[key]
    if not is_sound(value):
        raise _wrong(path, f"{key} is not {form}", f"{key} = ... takes {form}")
    return _frozen(value)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _wrong(path: Path, what: str, hint: str) -> UserError:
    return UserError(f"{path}: {what}", hint=hint)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _is_line(value: object) -> bool:
    return isinstance(value, str) and bool(_LINE.fullmatch(value))


def _is_content(value: object) -> bool:
    """Whether it is a line that may have its end: some files of the kernel demand it."""
    return isinstance(value, str) and bool(_CONTENT.fullmatch(value))


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _are_options(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, str) and re.fullmatch(r"[A-Z0-9_]+", one) for one in value
    )


def _are_writes(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, list)
        and len(one) == 2
        and _is_line(one[0])
        and one[0][0] == "/"
        and _is_content(one[1])
        for one in value
    )


def _are_functions(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MOST_DENIALS
        and all(isinstance(one, str) and re.fullmatch(r"[A-Za-z_]\w*", one) for one in value)
    )


_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_is_name, "a name of small letters, digits and hyphens"),
    "summary": (_is_line, "one line of printable ASCII"),
    "cmdline": (_is_line, "one line of printable ASCII"),
    "protects": (_is_bool, "true or false"),
    "confines": (_is_bool, "true or false"),
    "needs": (_are_options, "a list of kernel options, without CONFIG_"),
    "rehearsed": (_is_bool, "true or false"),
    "denials": (_are_functions, f"a list of at most {MOST_DENIALS} names of kernel functions"),
    "writes": (_are_writes, "a list of pairs: a file's path and what is written to it"),
}
"""The fields of a file; for each, the check of a value, and the form in words."""

# SPDX-License-Identifier: GPL-2.0-only
"""What `rpm -qp` says of many files: the digests in a package, or why the file is refused."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from harness.host.commands import clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STRUCTURE = ("--nosignature", "--nodigest")
"""Options: rpm checks the structure alone."""

_DIGESTS = "%|FILEDIGESTALGO?{%{FILEDIGESTALGO}}:{1}|%|FILEDIGESTS?{[,%{FILEDIGESTS}]}|\\n"
"""A line for each package that is accepted. A package without the algorithm has MD5."""
_SAID = re.compile(r"^(?:error|warning): (\d{6})\.rpm: (.*)$", re.MULTILINE)
_REFUSED = "not an rpm package (or package manifest)"
_NO_FAULT = re.compile(r"Signature, key ID \w+: NOKEY$")
_AT_ONCE = 1000


class Answer(NamedTuple):
    """What rpm says of a file."""

    algo: int = 0
    """The number of the digests' algorithm."""
    digests: tuple[str, ...] = ()
    """The digest of each file in the package."""
    refused: str = ""
    """The first fault that rpm names, if it refuses the file."""


def ask_rpm(files: Sequence[bytes], folder: Path, *options: str) -> list[Answer]:
    """Return what rpm says of each file. The files are written to `folder`."""
    folder.mkdir(exist_ok=True)
    names = [f"{at:06}.rpm" for at in range(len(files))]
    for name, content in zip(names, files, strict=True):
        (folder / name).write_bytes(content)
    return [
        answer
        for at in range(0, len(names), _AT_ONCE)
        for answer in _ask(names[at : at + _AT_ONCE], folder, options)
    ]


def _ask(names: Sequence[str], folder: Path, options: Sequence[str]) -> list[Answer]:
    command = ["rpm", "-qp", "--dbpath", str(folder / "db"), *options, "--qf", _DIGESTS, *names]
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        timeout=600,
        check=False,
    )
    faults = defaultdict(list)
    for number, fault in _SAID.findall(done.stderr.decode(errors="replace")):
        if not _NO_FAULT.search(fault):
            faults[f"{number}.rpm"].append(fault)
    accepted = iter(done.stdout.decode(errors="replace").splitlines())
    answers = [
        Answer(refused=faults[name][0]) if _REFUSED in faults[name] else _read(next(accepted))
        for name in names
    ]
    assert list(accepted) == [], "a line for each package that is accepted"
    return answers


def _read(line: str) -> Answer:
    algo, *digests = line.split(",")
    return Answer(int(algo) if digests else 0, tuple(digests))

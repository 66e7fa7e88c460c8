# SPDX-License-Identifier: GPL-2.0-only
"""A campaign on disk: a line for each batch that ended, and a folder for each finding.

    <folder>/campaign.json          what the campaign is about
    <folder>/files.json             the files of the guest that programs open and write
    <folder>/batches.jsonl          a line for each batch, in the order in which they ended
    <folder>/findings/<name>/       finding.json, a C program, a scenario, README.txt
    <folder>/campaign.html          the page of it all, written when the search ends

A batch that has no line is made again: it is the same for the same seed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.campaign.files import GuestFile
from harness.campaign.finding import Finding
from harness.campaign.program import Program
from harness.host.errors import UserError
from harness.host.files import write_all, write_atomically
from harness.judge.parity import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")

SUBJECT, FILES, BATCHES, FINDINGS = "campaign.json", "files.json", "batches.jsonl", "findings"


class Subject(msgspec.Struct, frozen=True):
    """What a campaign is about. Batches of another subject are other batches."""

    line: str
    image: str
    """The key of the kernel image."""
    variant: str
    cmdline: str
    """The variant's boot parameters."""
    seed: str
    size: int
    """Programs in a batch."""
    seeds: tuple[Program, ...] = ()
    """The programs to start from."""
    reference: str = REFERENCE
    """The variant with which findings are compared."""


class Kept(msgspec.Struct, frozen=True):
    """A program that is kept for mutations, and the new things that it did."""

    program: Program
    features: tuple[str, ...]


class BatchEnd(msgspec.Struct, frozen=True):
    """What came of one batch."""

    number: int
    programs: int
    verdict: str
    detail: str
    seconds: float
    kept: tuple[Kept, ...] = ()
    findings: tuple[Finding, ...] = ()
    lost_once: int = 0
    """Losses that did not come again."""

    @property
    def is_inconclusive(self) -> bool:
        """Whether the verdict is `error` and there is no finding, such as a fault of the kernel."""
        return self.verdict == "error" and not self.findings


def is_campaign(folder: Path) -> bool:
    """Whether a folder has a campaign."""
    return (folder / SUBJECT).is_file()


class CampaignFolder:
    """The folder of one campaign. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Nothing is read or written yet."""
        self.path = path

    def begin(self, subject: Subject, *, resume: bool) -> list[BatchEnd]:
        """Make the folder, or go on in it; return the batches that have ended.

        Raises UserError if there is a campaign and `resume` is not said, or if it is about
        something else, and for a file that is damaged or cannot be written.
        """
        if (self.path / SUBJECT).exists():
            if not resume:
                raise UserError(
                    f"{self.path} has this campaign already",
                    hint="go on with --resume, or take another --seed",
                )
            if self._read(self.path / SUBJECT, Subject) != subject:
                raise UserError(
                    f"{self.path} has a campaign with another size of batches or other seeds",
                    hint="give the same options, or take another --seed",
                )
            return self._ended()
        if resume:
            raise UserError(
                f"there is no campaign {self.path}", hint="leave out --resume, or correct --seed"
            )
        (self.path / FINDINGS).mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / SUBJECT, msgspec.json.encode(subject))
        return []

    def read(self) -> tuple[Subject, list[BatchEnd]]:
        """Return what the campaign is about, and the batches that have ended. Raises UserError."""
        return self._read(self.path / SUBJECT, Subject), self._ended()

    def files(self, find: Callable[[], list[GuestFile]]) -> list[GuestFile]:
        """Return the guest's files: those of an earlier part, or those to `find` and keep."""
        path = self.path / FILES
        if path.exists():
            return self._read(path, list[GuestFile])
        if found := find():
            write_atomically(path, msgspec.json.encode(found))
        return found

    def add(self, end: BatchEnd) -> None:
        """Append a batch that has ended. It is on the disk when this returns. Raises OSError."""
        line = msgspec.json.encode(end) + b"\n"
        with (self.path / BATCHES).open("ab") as file:
            end_before = file.tell()
            try:
                write_all(file.fileno(), line, at=end_before)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end_before)  # another batch may still find room
                raise

    def _ended(self) -> list[BatchEnd]:
        path = self.path / BATCHES
        if not path.exists():
            return []
        *whole, rest = path.read_bytes().split(b"\n")
        if rest:  # the process was killed while it wrote the line
            write_atomically(path, b"".join(line + b"\n" for line in whole))
        try:
            return [msgspec.json.decode(line, type=BatchEnd) for line in whole]
        except msgspec.MsgspecError as error:
            raise _damaged(path, error) from error

    def _read(self, path: Path, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            raise UserError(
                f"there is no campaign in {self.path}", hint="name the folder of a campaign"
            ) from None
        except msgspec.MsgspecError as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is damaged: {error}", hint="remove the folder, and start the campaign again"
    )

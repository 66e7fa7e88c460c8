# SPDX-License-Identifier: GPL-2.0-only
"""A run on disk: one folder with a line per result, the evidence of each cell, and its header.

    results/<UTC time>-<id>/results.jsonl    one object per cell, as it becomes final
                            run.json         what was run, on what, when, and how it ended
                            junit.xml        the results for a CI system, at the end
                            matrix.txt       the whole report, at the end
                            report.html      the same as a page (harness/report/page/), at the end
                            cells/<cell>/    attempt.json, witness.json, console.txt, outcome.json,
                                             traceback.txt, if Python raised an error, and
                                             vmcore, if a dump was asked for and was due
                            vmlinux          of the kernel in the dumps; vmlinux-<flavour> of
                                             the kernel of a flavour
    results/latest                           a symbolic link to the newest run

Several processes may write to one run (pytest-xdist's workers). The lock of a cell makes it run
once, and the lock of results.jsonl makes its line appear once. A line that a crash or a full disk
tore is cut off.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import FileLock, Timeout

from harness.host.errors import FREE_SPACE, UserError, is_full
from harness.host.files import write_atomically
from harness.results.cell_files import read_outcome, write_outcome
from harness.results.records import decoded, json_text
from harness.results.results_file import ResultsFile
from harness.results.run_header import RunHeader

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.results.result_line import ResultLine

_CELL_DEADLINE = 900.0  # seconds to wait for a cell that another process runs
_HEADER_DEADLINE = 60.0  # seconds to wait for another process that writes run.json


def now() -> str:
    """Return the time as run.json has it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunDirectory:
    """One run's folder. The methods raise OSError when the disk refuses.

    They raise UserError for a file that is damaged.
    """

    def __init__(self, path: Path) -> None:
        """Take the folder, which need not exist yet. Keep this object for all results of a run."""
        self.path = path
        self._made: tuple[int, int] | None = None
        """Device and inode of the folder, if this process has made or joined it."""
        self._has_header = False
        """Whether this process has written run.json."""
        self._results = ResultsFile(path / "results.jsonl")

    @classmethod
    def create(cls, root: Path, name: str) -> RunDirectory:
        """Make the folder, or join it if another process has made it; raises UserError."""
        run = cls(root / name)
        with writable(root):
            run.cells.mkdir(parents=True, exist_ok=True)
        run._made = _identity(run.path)
        return run

    def announce(self) -> None:
        """Point `latest` here: the run has begun; raises UserError."""
        root = self.path.parent
        scratch = root / f".latest-{self.path.name}-{os.getpid()}"
        with writable(root):
            scratch.symlink_to(self.path.name)
            try:
                scratch.replace(root / "latest")
            finally:
                scratch.unlink(missing_ok=True)

    def removed(self) -> Path | None:
        """Return what was removed of the run since this process wrote it; None if all is there.

        That is the folder, run.json or lines of results.jsonl.
        """
        if self._made is not None and _identity(self.path) != self._made:
            return self.path
        if self._has_header and not self._header.is_file():
            return self._header
        return self._results.path if self._results.is_cut() else None

    @property
    def cells(self) -> Path:
        """The folder of the cells' evidence."""
        return cells_folder(self.path)

    def lock(self, name: str) -> FileLock:
        """Return the lock of that name within this run."""
        folder = self.path / ".locks"
        folder.mkdir(exist_ok=True)
        return FileLock(folder / name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from the run; remove its locks at the end.

        Raises UserError if another process holds it.
        """
        lock = self.lock("run")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"another process still writes to the run {self.path.name}",
                hint="wait until it has ended, or stop it",
            ) from error
        try:
            yield
        finally:
            self.remove_locks()
            lock.release()

    def discard(self) -> None:
        """Remove a run that never began."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()  # only if it is empty

    def remove_locks(self) -> None:
        """Remove the locks. No other process may still use the run."""
        shutil.rmtree(self.path / ".locks", ignore_errors=True)

    def once(self, cell: Cell, run: Callable[[Cell], Outcome]) -> Outcome:
        """Return the cell's outcome. Run the cell unless a process of this run has done so."""
        try:
            with self.lock(cell.id).acquire(timeout=_CELL_DEADLINE):
                found = self.outcome(cell)
                if found is None:
                    found = run(cell)
                    self.keep(cell, found)
                return found
        except Timeout as error:
            raise UserError(
                f"another process has held the cell {cell.id} for {_CELL_DEADLINE:.0f} s",
                hint=f"end that process; the results so far are in {self.path}",
            ) from error

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's evidence."""
        return self.cells / cell.id

    def keep(self, cell: Cell, outcome: Outcome) -> None:
        """Write a cell's files."""
        write_outcome(self.folder(cell), outcome)

    def outcome(self, cell: Cell) -> Outcome | None:
        """Return what `keep` has written, or None."""
        return read_outcome(self.folder(cell))

    def append(self, result: Result) -> bool:
        """Add the result's line, unless it is there; return whether it was added."""
        return self._results.append(result)

    def write_lines(self, lines: Iterable[ResultLine]) -> None:
        """Write results.jsonl anew, with these lines."""
        self._results.write(lines)

    def mend(self, due: Collection[ResultLine], *, without: Iterable[Cell]) -> list[str]:
        """Remove what a killed process has left: lines that are not `due`, and scratch files.

        The files of the cells in `without` are removed, too. Return what was wrong with
        results.jsonl.
        """
        for cell in without:
            shutil.rmtree(self.folder(cell), ignore_errors=True)
        for scratch in self.path.glob(".*.*"):
            scratch.unlink()
        return self._results.keep_only(due)

    def lines(self) -> list[ResultLine]:
        """Return the results as they are in results.jsonl."""
        return self._results.lines()

    @property
    def _header(self) -> Path:
        return self.path / "run.json"

    def write_header(self, facts: Mapping[str, Any]) -> None:
        """Set fields of run.json; the others stay. Raises TypeError for an unknown field."""
        with self.lock("header").acquire(timeout=_HEADER_DEADLINE):
            header = msgspec.structs.replace(self.header(), **facts)
            write_atomically(self._header, json_text(header))
        self._has_header = True

    def header(self) -> RunHeader:
        """Return what run.json holds; before anything was written, an empty header."""
        try:
            text = self._header.read_bytes()
        except FileNotFoundError:
            return RunHeader()
        return decoded(text, RunHeader, path=self._header)


def cells_folder(run: Path) -> Path:
    """Return the folder of the cells' evidence in the folder of a run."""
    return run / "cells"


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and the inode of a folder; None if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def writable(root: Path) -> Iterator[None]:
    """Raise UserError where the folder of results cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"results cannot be written to {root}: {error.strerror}",
            hint=FREE_SPACE
            if is_full(error)
            else "make that folder writable, or name another with --results",
        ) from error

# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl, which several processes append to: a cell has one line, and each line is whole.

A process remembers how far it has read and which cells it has seen. Each append reads only what
other processes have added since, so the last one costs as much as the first.

The lock is flock(2) on the file itself. A lock file of filelock's would cost twice the rest of an
append.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from harness.host.errors import UserError
from harness.host.files import write_all, write_atomically
from harness.results.records import decoded, json_line
from harness.results.result_line import ResultLine, line_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell

_DEADLINE = 60.0  # seconds to wait for another process's line
_POLL = 0.001  # seconds; a line takes a tenth of that

_SHORTEST, _LONGEST = 0.001, 1e9  # seconds; Python and msgspec write those between alike


class ResultsFile:
    """The lines of a run. The methods raise OSError, and UserError for a line that is damaged."""

    def __init__(self, path: Path, *, deadline: float = _DEADLINE) -> None:
        """Read nothing yet. `deadline` is how many seconds an append waits for other processes."""
        self.path = path
        self._deadline = deadline
        self._end = 0
        """The offset, in bytes, up to which this process knows the lines."""
        self._cells: set[Cell] = set()
        """The cells of those lines."""
        self._was_cut = False

    def append(self, result: Result) -> bool:
        """Add the result's line unless its cell has one. Return whether it was added.

        A torn line, which a crash has left, is cut off. Where the disk refuses, the file stays as
        it was.
        """
        if result.cell in self._cells:
            return False
        with self._locked() as file:
            self._read_on(file)
            if result.cell in self._cells:
                return False
            self._write(file, _encoded(line_of(result)))
            self._cells.add(result.cell)
        return True

    def write(self, lines: Iterable[ResultLine]) -> None:
        """Write these lines in place of all that are there. No other process may write."""
        write_atomically(self.path, b"".join(map(_encoded, lines)))

    def is_cut(self) -> bool:
        """Whether lines that this process knows are gone, or the whole file is."""
        try:
            size = self.path.stat().st_size
        except OSError:
            size = 0
        return self._was_cut or size < self._end

    def lines(self) -> list[ResultLine]:
        """Return all lines, without a torn one at the end."""
        content = self.path.read_bytes() if self.path.exists() else b""
        return self._decoded(_whole(content), first=1)

    def keep_only(self, due: Collection[ResultLine]) -> list[str]:
        """Drop each line that is not one of these; return what was wrong with the file.

        No other process may still append to the file.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = _whole(content)
        kept, damaged = [], 0
        for line in whole.splitlines(keepends=True):
            try:
                if decoded(line, ResultLine, path=self.path) in due:
                    kept.append(line)
            except UserError:
                damaged += 1
        new = b"".join(dict.fromkeys(kept))
        if new != content:
            write_atomically(self.path, new)
        said = ["its last line is incomplete, and is dropped"] if whole != content else []
        return said + ([f"damaged lines are dropped: {damaged}"] if damaged else [])

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Yield the open file, to which no other process appends meanwhile.

        Raises TimeoutError if another process holds it until the deadline.
        """
        until = time.monotonic() + self._deadline
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(file, until, self.path)
                if _is_at(file, self.path):  # it was not replaced during the wait
                    yield file
                    return
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # a child that was forked may have the file open
                os.close(file)

    def _read_on(self, file: int) -> None:
        """Take note of the lines from `_end` on, up to a torn one."""
        size = os.fstat(file).st_size
        if size < self._end:  # another file has taken its place
            self._was_cut = True
            self._end = 0
            self._cells.clear()
        added = _whole(os.pread(file, size - self._end, self._end))
        lines = self._decoded(added, first=len(self._cells) + 1)
        self._cells.update(line.cell for line in lines)
        self._end += len(added)

    def _write(self, file: int, line: bytes) -> None:
        try:
            os.ftruncate(file, self._end)
            write_all(file, line, at=self._end)
        except OSError:
            os.ftruncate(file, self._end)
            raise
        self._end += len(line)

    def _decoded(self, content: bytes, *, first: int) -> list[ResultLine]:
        return [
            decoded(line, ResultLine, path=self.path, line=number)
            for number, line in enumerate(content.splitlines(), start=first)
        ]


def _encoded(line: ResultLine) -> bytes:
    """Return the text of `json_line`.

    msgspec makes the same text in a third of the time, except for numbers with an exponent, for NaN
    and for characters that Python escapes.
    """
    if not line.seconds or _SHORTEST <= line.seconds < _LONGEST:
        with suppress(UnicodeEncodeError):  # a lone surrogate
            text = msgspec.json.format(msgspec.json.encode(line), indent=0)
            if text.isascii() and b"\x7f" not in text:
                return text + b"\n"
    return json_line(line).encode()


def _lock(file: int, until: float, path: Path) -> None:
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                said = "another process holds the file"
                raise TimeoutError(errno.ETIMEDOUT, said, str(path)) from error
        time.sleep(_POLL)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _whole(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]

# SPDX-License-Identifier: GPL-2.0-only
"""A run on disk: one folder with a line per result, the evidence of each cell, and its header.

    results/<UTC time>-<id>/results.jsonl    one object per cell, as it becomes final
                            run.json         what was run, on what, when, and how it ended
                            junit.xml        for a CI system (written by `umd-harness run`)
                            cells/<cell>/    attempt.json, witness.json, console.txt, outcome.json,
                                             and vmcore, if a dump was to be kept and was due
                            vmlinux          of the kernel in the dumps (vmlinux-<flavour>: its)
    results/latest                           a symbolic link to the newest run

Several processes may write to one run (pytest-xdist's workers): a cell's lock makes it run once,
the run's lock makes its line appear once. What a crash or a full disk leaves of a line is cut off.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from harness.host.errors import UserError
from harness.judge.result import Result
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.scenarios.corpus import Corpus

SCHEMA = 7
"""Changes with the fields of results.jsonl or run.json, and with what they mean."""

_CELL_DEADLINE = 900.0  # seconds to wait for a cell that another process runs
_LINE_DEADLINE = 60.0  # seconds to wait for another process's line


def now() -> str:
    """Return the time as run.json has it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunDirectory:
    """One run's folder. The methods raise OSError when the disk refuses."""

    path: Path

    @classmethod
    def create(cls, root: Path, name: str) -> RunDirectory:
        """Make the folder, or join it if another process has made it; raises UserError."""
        run = cls(root / name)
        with _told(root):
            run.cells.mkdir(parents=True, exist_ok=True)
        return run

    def announce(self) -> None:
        """Point `latest` here: the run has begun; raises UserError."""
        root = self.path.parent
        scratch = root / f".latest-{self.path.name}-{os.getpid()}"
        with _told(root):
            scratch.symlink_to(self.path.name)
            try:
                scratch.replace(root / "latest")
            finally:
                scratch.unlink(missing_ok=True)

    @property
    def cells(self) -> Path:
        """The folder of the cells' evidence."""
        return self.path / "cells"

    @property
    def _lines(self) -> Path:
        return self.path / "results.jsonl"

    def lock(self, name: str) -> FileLock:
        """Return the lock of that name within this run."""
        folder = self.path / ".locks"
        folder.mkdir(exist_ok=True)
        return FileLock(folder / name)

    def discard(self) -> None:
        """Remove a run that never began."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()  # only if it is empty

    def remove_locks(self) -> None:
        """Tidy up once every process is done with the run."""
        shutil.rmtree(self.path / ".locks", ignore_errors=True)

    def once(self, cell: Cell, run: Callable[[Cell], Outcome]) -> Outcome:
        """Return the cell's outcome, running it unless a process of this run has done so."""
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
                hint=f"end it; what there is of the run is in {self.path}",
            ) from error

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's evidence."""
        return self.cells / cell.id

    def keep(self, cell: Cell, outcome: Outcome) -> None:
        """Write a cell's evidence; outcome.json comes last and makes it count."""
        folder = self.folder(cell)
        folder.mkdir(parents=True, exist_ok=True)
        facts = asdict(outcome)
        _write(folder / "witness.json", _json(facts.pop("witness")))
        _write(folder / "attempt.json", _json(facts.pop("attempt")))
        _write(folder / "console.txt", facts.pop("console"))
        _write(folder / "outcome.json", _json(facts))

    def outcome(self, cell: Cell) -> Outcome | None:
        """Return what `keep` has written, or None."""
        folder = self.folder(cell)
        try:
            facts = json.loads((folder / "outcome.json").read_text())
        except FileNotFoundError:
            return None
        return Outcome(
            verdict=Verdict(facts.pop("verdict")),
            axes=Axes(**facts.pop("axes")),
            hooks=tuple(facts.pop("hooks")),
            refusable=tuple(facts.pop("refusable")),
            wrongs=tuple(facts.pop("wrongs")),
            gained=tuple(facts.pop("gained")),
            tries=_pair(facts.pop("tries")),
            witness=json.loads((folder / "witness.json").read_text()),
            attempt=json.loads((folder / "attempt.json").read_text()),
            console=(folder / "console.txt").read_text(),
            **facts,
        )

    def append(self, result: Result) -> bool:
        """Add the result's line, unless it is there; say whether it was added."""
        with self.lock("results").acquire(timeout=_LINE_DEADLINE):
            whole = self._whole_lines()
            if any(cell_of(json.loads(line)) == result.cell for line in whole.splitlines()):
                return False
            line = json.dumps(as_json(result)).encode() + b"\n"
            file = os.open(self._lines, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.truncate(file, len(whole))
                _write_all(file, line, at=len(whole))
            except OSError:
                os.truncate(file, len(whole))
                raise
            finally:
                os.close(file)
        return True

    def lines(self) -> list[dict[str, Any]]:
        """Return the results' objects as they are in results.jsonl."""
        return [json.loads(line) for line in self._whole_lines().splitlines()]

    def _whole_lines(self) -> bytes:
        content = self._lines.read_bytes() if self._lines.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def write_header(self, facts: dict[str, Any]) -> None:
        """Put facts into run.json beside those that are there."""
        with self.lock("header").acquire(timeout=_LINE_DEADLINE):
            _write(self.path / "run.json", _json({"schema": SCHEMA, **self.header(), **facts}))

    def header(self) -> dict[str, Any]:
        """Return what run.json holds, empty before anything was written."""
        try:
            header = json.loads((self.path / "run.json").read_text())
        except FileNotFoundError:
            return {}
        assert isinstance(header, dict)  # noqa: S101 - nobody else writes it
        return header


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Say what to do when there is no place for results at all."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"results cannot be written to {root}: {error.strerror}",
            hint="mend that, or name another folder with --results",
        ) from error


def as_json(result: Result) -> dict[str, Any]:
    """Return the object that stands for the result in results.jsonl."""
    cell, scenario = result.cell, result.scenario
    lost = asdict(result.axes) if result.axes else dict.fromkeys(asdict(Axes()))
    return {
        "schema": SCHEMA,
        "line": cell.line,
        "variant": cell.variant,
        "scenario": cell.scenario,
        "effect": scenario.effect.name.lower(),
        "surface": scenario.surface,
        "answers": list(scenario.answers),
        "control": {"variant": result.control, "verdict": result.control_verdict},
        "verdict": result.verdict,
        "axes": lost,
        "detail": result.detail,
        "expected": result.expected,
        "ok": result.ok,
        "hooks": list(result.hooks),
        "refusable": list(result.refusable),
        "gained": list(result.gained),
        "tries": list(result.tries),
        "rounds": result.rounds,
        "seconds": round(result.seconds, 3),
        "image": result.image,
        "witness": f"cells/{cell.id}/witness.json",
        "attempt": f"cells/{cell.id}/attempt.json",
        "attempt_end": result.attempt_end,
        "half": result.half,
    }


def from_json(line: dict[str, Any], corpus: Corpus) -> Result:
    """Return the result that a line of results.jsonl stands for; the reverse of `as_json`."""
    lost = line["axes"]
    cell = cell_of(line)
    return Result(
        cell=cell,
        scenario=corpus.scenario(cell),
        variant=corpus.variant(cell),
        verdict=Verdict(line["verdict"]),
        axes=None if None in lost.values() else Axes(**lost),
        detail=line["detail"],
        control=line["control"]["variant"],
        control_verdict=Verdict(line["control"]["verdict"]),
        seconds=line["seconds"],
        image=line["image"],
        attempt_end=line["attempt_end"],
        half=line["half"],
        hooks=tuple(line["hooks"]),
        refusable=tuple(line["refusable"]),
        gained=tuple(line["gained"]),
        tries=_pair(line["tries"]),
        rounds=line["rounds"],
    )


def _pair(numbers: list[int]) -> tuple[int, int]:
    won, made = numbers
    return won, made


def cell_of(line: dict[str, Any]) -> Cell:
    """Return the cell that a line of results.jsonl is about."""
    return Cell(line["line"], line["variant"], line["scenario"])


def _write_all(file: int, content: bytes, *, at: int) -> None:
    """Write on after a short write, so that the disk says why it took no more."""
    while content:
        written = os.pwrite(file, content, at)
        content, at = content[written:], at + written


def _json(value: object) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"


def _write(path: Path, content: str) -> None:
    """Write atomically: a reader sees all of it or nothing."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(content, errors="backslashreplace")
        scratch.replace(path)
    except OSError as error:
        error.filename = str(path)  # a write's error names none
        raise
    finally:
        scratch.unlink(missing_ok=True)

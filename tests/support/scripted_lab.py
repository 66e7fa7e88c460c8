# SPDX-License-Identifier: GPL-2.0-only
"""A lab that gives outcomes from a script: what stands above it is tested without machines."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from small_corpus import SMALL

from harness.engines import MICROVM
from harness.host.errors import UserError
from harness.judge.conclusion import is_as_expected
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict
from harness.results.run_header import Provenance
from harness.run.code import code_digest
from harness.run.provenance import PreparedLab, Progress
from harness.scenarios import corpus
from harness.witness.evidence import CALL_RETURNED, WRONG_REPLY
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.scenarios.corpus import Corpus

AXES = {
    Verdict.HELD: Axes(),
    Verdict.LEAKED: Axes(confidentiality=True),
    Verdict.DISRUPTED: Axes(availability=True),
    Verdict.TAMPERED: Axes(integrity=True),
    Verdict.ERROR: Axes(),
    Verdict.NOT_APPLICABLE: Axes(),
}

WRONGS = (WRONG_REPLY, CALL_RETURNED, *(flag.word for flag in Violation))

Opener = Callable[..., AbstractContextManager[PreparedLab]]
Script = Mapping[tuple[str, str], Outcome | Exception]


def outcome(
    verdict: Verdict,
    detail: str = "",
    *,
    seconds: float = 0.25,
    axes: Axes | None = None,
    undumped: str = "",
) -> Outcome:
    """An outcome that agrees with itself and has its evidence: the attack got to its end.

    Where integrity is lost, all is wrong that can be.
    """
    axes = axes or AXES[verdict]
    return Outcome(
        verdict=verdict,
        axes=axes,
        detail=detail,
        seconds=seconds,
        image="0123abcd",
        attempt_end=AttemptEnd(End.COMPLETED),
        carried_out=True,
        wrongs=WRONGS if axes.integrity else (),
        witness={"right": 48},
        attempt=[{"name": "getpid", "result": 1}],
        console="booted\n",
        undumped=undumped,
    )


@dataclass
class ScriptedLab:
    """Gives what the script says for (variant, scenario), else what the scenario expects.

    `log` is a file that gets the id of each cell that is run, from whatever process. With
    `machines` a cell owns a process, which ends only when it is killed, and a folder in `work`.
    After `free` cells, each further cell waits for the file `go` in the current directory, or for
    `go-9` if it is the ninth cell.
    A round trip takes 200 us, or `isolated_us` on `isolated`. The kernel's vmlinux is a file in the
    current directory. An outcome of the script that is `undumped` leaves no dump.
    """

    script: Script = field(default_factory=dict)
    takes: float = 0.0
    log: Path | None = None
    machines: bool = False
    free: int | None = None
    isolated_us: int = 205
    counted: int = 0
    corpus: Corpus = field(default_factory=lambda: corpus.SHIPPED)
    ran: list[Cell] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        found = self._run(cell, fresh=fresh)
        if vmcore is None or is_as_expected(self.corpus, cell, found):
            return found
        if found.undumped:
            return found
        vmcore.parent.mkdir(parents=True)
        vmcore.write_bytes(b"core")
        return found

    def vmlinux(self, variant: str) -> Path:
        path = Path("vmlinux")
        if not path.is_file():
            raise UserError(f"the vmlinux of {variant} is gone", hint="build it again")
        return path

    def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
        with self._lock:
            self.ran.append(cell)
            number = len(self.ran)
        if self.log is not None:
            file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, f"{cell.id}\n".encode())
            os.close(file)
        gates = (Path("go"), Path(f"go-{number}"))
        while self.free is not None and number > self.free and not any(map(Path.exists, gates)):
            time.sleep(0.02)
        if self.machines:
            run_machine(Path("work"))
        time.sleep(self.takes)
        found = self.script.get((cell.variant, cell.scenario))
        if isinstance(found, Exception):
            raise found
        return found or expected_outcome(self.corpus, cell, seconds=2.0 if fresh else 0.25)

    @contextmanager
    def trip_clock(
        self, variant: str, *, counts: bool = False
    ) -> Iterator[Callable[[int], list[int]]]:
        self.counted += counts
        yield lambda trips: [self.isolated_us if variant == "isolated" else 200] * trips


@dataclass
class SmallLab(ScriptedLab):
    """A scripted lab of the small corpus."""

    corpus: Corpus = SMALL


def expected_outcome(corpus: Corpus, cell: Cell, *, seconds: float = 0.25) -> Outcome:
    """What the scenario says that the cell gives, with all that it does lost."""
    scenario, variant = corpus.scenario(cell), corpus.variant(cell)
    verdict = scenario.expected(variant)
    lost = (AXES[effect.wins] for effect in scenario.effects)
    axes = reduce(_both, lost) if verdict is scenario.wins else AXES[verdict]
    why = scenario.lacking_on(variant) or ""
    gained = ("what it is after",) if scenario.gains(variant) else ()
    return replace(outcome(verdict, why, seconds=seconds, axes=axes), gained=gained)


def _both(one: Axes, other: Axes) -> Axes:
    return Axes(
        one.integrity or other.integrity,
        one.availability or other.availability,
        one.confidentiality or other.confidentiality,
    )


def run_machine(work: Path) -> None:
    """What a cell's machine is to a signal: a child in a session of its own, and a folder."""
    with (
        tempfile.TemporaryDirectory(dir=work) as folder,
        subprocess.Popen(["sleep", "600"], start_new_session=True) as process,
    ):
        (Path(folder) / "pid").write_text(str(process.pid))
        process.wait()


def prepare_lab(lab: ScriptedLab, *, says: tuple[str, ...] = (), takes: float = 0.0) -> Opener:
    """What `harness.run.provenance.prepare_lab` is to the real lab."""

    @contextmanager
    def prepare_lab(
        line: str,
        variants: Iterable[str],
        progress: Progress,
        corpus: Corpus,
        choice: KernelChoice | None = None,
        engine: str = MICROVM.name,
    ) -> Iterator[PreparedLab]:
        for text in says:
            progress(text)
        time.sleep(takes)
        lab.corpus = corpus
        facts = Provenance(
            image="0123abcd",
            guest_image="4567",
            code=code_digest(),
            qemu=f"none for {line}",
            engine=engine,
            choice=choice.words() if choice else None,
            opened_for=tuple(variants),
        )
        yield PreparedLab(lab, facts)

    return prepare_lab

# SPDX-License-Identifier: GPL-2.0-only
"""Cells for one test: an attack that the test defines, run like any scenario."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from errno import EACCES, EPERM, ESRCH
from os import O_RDONLY, O_RDWR
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.host.paths import cache_dir
from harness.model.cell import Cell, Outcome
from harness.scenarios import Effect
from harness.scenarios.registry import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler

    Attack = Callable[[Attacker, Handler], str | None]

NAME = "made_up"


@dataclass
class Cells:
    """Runs made-up attacks. They watch what the corpus watches, so that no state is made anew.

    The machines have a directory of their own, so that what is left of them is seen. `vmcore` is
    where a dump goes, if one is wanted.
    """

    lab: Lab
    monkeypatch: pytest.MonkeyPatch
    machines: Path
    vmcore: Path | None = None

    def run(self, attack: Attack, variant: str = "baseline", **declared: Any) -> Outcome:
        """Run `attack` as a scenario declared like proc_mem_write, except for `declared`."""
        usual: dict[str, Any] = {
            "effect": Effect.INTEGRITY,
            "call": "openat",
            "refused": (EPERM, EACCES),
            "no_target": (ESRCH,),
            "no_target_at": "mm_access",
            "reach": "security_ptrace_access_check",
        }
        settled: dict[str, Any] = {
            "name": NAME,
            "summary": "made up",
            "attack": attack,
            "surface": "test",
            "answers": (),
        }
        made_up = Scenario(**settled, **{**usual, **declared})
        corpus = self.lab.corpus.with_scenarios({NAME: made_up})
        lab = replace(self.lab, corpus=corpus)
        return lab.run(Cell(lab.line, variant, NAME), vmcore=self.vmcore)

    def left(self) -> list[Path]:
        """Return the remains of machines: their directories, and the processes that run in them."""
        processes = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                where = (process / "cwd").readlink()
            except OSError:  # it has ended, or is the kernel's
                continue
            if self.machines in where.parents:
                processes.append(process)
        return [*self.machines.glob("*/"), *processes]


@pytest.fixture
def cells(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    """Cells on the real lab; all of the cache is shared but the machines' directory.

    On the cache's own filesystem, which /tmp need not be: a state is moved out of its machine's.
    """
    real = cache_dir()
    with tempfile.TemporaryDirectory(prefix="umd-tests-", dir=real.parent) as home:
        cache = Path(home) / "umd-harness"
        cache.mkdir()
        for entry in real.iterdir():
            if entry.name != "machines":
                (cache / entry.name).symlink_to(entry)
        (cache / "machines").mkdir()
        monkeypatch.setenv("XDG_CACHE_HOME", home)
        yield Cells(lab, monkeypatch, cache / "machines")


def touch(attacker: Attacker, handler: Handler) -> None:
    """Reach the handler in the kernel without any harm to it."""
    attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY).close()


def overwrite(attacker: Attacker, handler: Handler) -> None:
    """Tamper with the handler, as proc_mem_write does."""
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as mem:
        mem.pwrite(b"\xff" * 32, handler.symbol("chain"))

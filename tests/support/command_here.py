# SPDX-License-Identifier: GPL-2.0-only
"""The command line in this process, in an empty folder, on a scripted lab of the small corpus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from scripted_lab import Script, SmallLab, prepare_lab
from small_corpus import SMALL

from harness.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Here:
    """Runs commands. `ran` has the ids of the cells that ran since it was read last."""

    folder: Path
    _lab: SmallLab
    _printed: pytest.CaptureFixture[str]
    out: str = field(default="", init=False)
    """What the last command printed."""
    error: str = field(default="", init=False)
    """What the last command printed on standard error."""

    def run(self, *words: str, script: Script | None = None) -> int:
        """Run `umd-harness run` with these words; return its exit status."""
        self._lab.script = script or {}
        return self.command("run", *words)

    def command(self, *words: str) -> int:
        """Run `umd-harness` with these words; return its exit status."""
        status = main(list(words))
        self.out, self.error = self._printed.readouterr()
        return status

    def ran(self) -> list[str]:
        ids = sorted(cell.id for cell in self._lab.ran)
        self._lab.ran.clear()
        return ids

    def latest(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The header and the lines of the latest run."""
        run = self.folder / "results/latest"
        lines = (run / "results.jsonl").read_text().splitlines()
        return json.loads((run / "run.json").read_text()), [json.loads(line) for line in lines]


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    lab = SmallLab()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.scenarios.corpus.SHIPPED", SMALL)
    monkeypatch.setattr("harness.run.provenance.planned_image", lambda *_: "0123abcd")
    monkeypatch.setattr("harness.run.provenance.prepare_lab", prepare_lab(lab))
    yield Here(tmp_path, lab, capsys)

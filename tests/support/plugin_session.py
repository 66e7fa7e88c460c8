# SPDX-License-Identifier: GPL-2.0-only
"""Sessions of pytest with the plugin, in a checkout of their own and above a scripted lab."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

SUPPORT = Path(__file__).parent
CORPUS = (SUPPORT.parent / "test_scenarios.py").read_text()
CONFTEST = """
import os
import resource
import sys
sys.path.insert(0, {here!r})
from contextlib import contextmanager
from pathlib import Path
import small_corpus
if not {whole}:
    small_corpus.ship()
from harness.results.run_header import Provenance
from harness.run import provenance
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from scripted_lab import ScriptedLab, prepare_lab, outcome
here = Path(__file__).parent
lab = ScriptedLab({script}, takes={takes}, log=here / "ran")
working = prepare_lab(lab, says=("kernel: 1/2 objects",))
def broken(line, variants, progress, **lab):
    raise UserError("there is no kernel source", hint="install it")
@contextmanager
def full(line, variants, progress, **lab):
    # The kernel refuses as a full disk does; pytest's own output is far shorter than that.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    with working(line, variants, progress, **lab) as opened:
        yield provenance.PreparedLab(opened.lab, Provenance(image="x" * 300_000))
provenance.prepare_lab = {prepare_lab}
"""

COLLECT = """
import contextlib, io, json, sys
import pytest

class Collected:
    cells = []
    def pytest_collection_finish(self, session):
        self.cells = [item.callspec.id for item in session.items if hasattr(item, "callspec")]

said = []
for words in json.load(open("asked.json")):
    collected, errors = Collected(), io.StringIO()
    words = ["--collect-only", "-q", "-p", "no:cacheprovider", *words, "test_scenarios.py"]
    with contextlib.redirect_stderr(errors):
        status = pytest.main(words, plugins=[collected])
    said.append([int(status), collected.cells, errors.getvalue()])
json.dump(said, open("said.json", "w"))
"""


@dataclass(frozen=True)
class Collection:
    """What a session has collected."""

    status: int
    cells: list[str]
    error: str


class Session:
    """A checkout in a folder, with `test_scenario` and a unit test beside it.

    Its corpus is the small one, but for a script of the whole.
    """

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(test_scenarios=CORPUS, test_other="def test_one(): pass")
        self.script()

    def script(
        self,
        script: str = "{}",
        *,
        takes: float = 0.0,
        prepare_lab: str = "working",
        whole: bool = False,
    ) -> None:
        text = CONFTEST.format(
            here=str(SUPPORT), script=script, takes=takes, prepare_lab=prepare_lab, whole=whole
        )
        self.pytester.makeconftest(text)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=900)

    def collect(self, *asked: Iterable[str]) -> list[Collection]:
        """Collect the scenarios once for each list of arguments, all in one process."""
        (self.pytester.path / "asked.json").write_text(json.dumps([list(words) for words in asked]))
        self.pytester.makepyfile(collect=COLLECT)
        self.pytester.run(sys.executable, "collect.py", timeout=900)
        said = json.loads((self.pytester.path / "said.json").read_text())
        return [Collection(*one) for one in said]

    def ran(self) -> Counter[str]:
        return Counter((self.pytester.path / "ran").read_text().split())

    @property
    def latest(self) -> Path:
        return self.pytester.path / "results/latest"

    @property
    def header(self) -> dict[str, Any]:
        found = json.loads((self.latest / "run.json").read_text())
        assert isinstance(found, dict)
        return found

    def lines(self) -> list[dict[str, object]]:
        content = (self.latest / "results.jsonl").read_text()
        return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def session(pytester: pytest.Pytester) -> Session:
    return Session(pytester)

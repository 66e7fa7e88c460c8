# SPDX-License-Identifier: GPL-2.0-only
"""Shell completion: bash itself completes words; zsh and fish ask the program in the same way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run

from harness.cli.main import main
from harness.model.variants import VARIANTS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

BASH = """
eval "$(./umd-harness completion bash)"
complete -p umd-harness >&2
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    _python_argcomplete ./umd-harness
    (IFS='|'; printf '%s\\n' "${COMPREPLY[*]}")
done
"""
RUN = "20260101T000000Z-000000"
PTRACE = [name for name in SHIPPED.scenarios if name.startswith("ptrace_")]
ISOLATED = [name for name in VARIANTS if name.startswith("isolated")]

TYPED = {
    "umd-harness comp": ["compare", "completion"],
    "umd-harness run --format ": ["text", "ktap"],
    "umd-harness run --variant=isolated": ISOLATED,
    "umd-harness run -k ptrace_": PTRACE,
    "umd-harness run -k 'nothing and (isolated": [f"nothing and ({name}" for name in ISOLATED],
    f"umd-harness compare latest {RUN[:4]}": [f"{RUN} "],
    "umd-harness show latest 6.12-kthread-d": ["6.12-kthread-dev_mem "],
    "umd-harness show nowhere 6.12-kthread-d": [],
    "umd-harness run --jobs ": [],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a run and the program."""
    keep_run(tmp_path / "results", RUN)
    program = tmp_path / "umd-harness"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_bash_completes_each_kind_of_word(place: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "--norc", "-c", BASH],
        input="".join(f"{line}\n" for line in TYPED),
        cwd=place,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stderr.startswith("complete ")
    found = [line.split("|") if line else [] for line in done.stdout.splitlines()]
    for (typed, due), got in zip(TYPED.items(), found, strict=True):
        assert [_plain(word) for word in got] == due, typed


def _plain(word: str) -> str:
    return word.replace("\\", "")


@pytest.mark.parametrize(("shell", "between"), [("zsh", ":"), ("fish", "\t")])
def test_other_shells_also_get_what_a_word_means(place: Path, shell: str, between: str) -> None:
    line = "umd-harness run --variant kth"
    asked = {
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": shell,
        "_ARGCOMPLETE_DFS": "\t" if shell == "fish" else "",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(place / "words"),
    }
    subprocess.run([place / "umd-harness"], cwd=place, env={**os.environ, **asked}, check=True)
    assert (place / "words").read_text() == f"kthread{between}{VARIANTS['kthread'].summary}"


@pytest.mark.parametrize(
    ("shell", "register"),
    [
        (
            "bash",
            "complete -o nospace -o default -o bashdefault -F _python_argcomplete umd-harness",
        ),
        ("zsh", "compdef _python_argcomplete umd-harness"),
        ("fish", "complete --command umd-harness "),
    ],
)
def test_the_code_registers_the_program(
    shell: str, register: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/umd-harness"])
    assert main(["completion", shell]) == 0
    code = capsys.readouterr().out
    assert register in code
    assert ("/opt/venv/bin/umd-harness 8>&1" in code) == (shell == "fish")

# SPDX-License-Identifier: GPL-2.0-only
"""`./run`: what it says without doing anything, and what it lets apt do.

apt-get is a script that notes how it is called: the real one would change this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.host.paths import CHECKOUT

RUN = CHECKOUT / "run"
NEW = "Inst zstd (1.5.7 Debian:13/stable [amd64])\nConf zstd (1.5.7 Debian:13/stable [amd64])\n"
UPGRADE = "Inst libzstd1 [1.5.6] (1.5.7 Debian:13/stable [amd64])\n" + NEW
REMOVAL = "Remv old-tool [1.0]\n" + NEW

pytestmark = pytest.mark.skipif(not RUN.is_file(), reason="the wheel has no ./run")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of the script, in a folder with the tools that it calls to install packages."""
    tools = {
        "dpkg-query": "exit 1",
        "id": "echo 0",
        "apt-get": 'echo "$*" >>asked\ncase "$*" in *--simulate*) cat planned ;; esac',
        "python3": "exit 1",
    }
    for name, text in tools.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    return Path(shutil.copy(RUN, tmp_path))


def called(script: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "UMD_UPGRADE")}
    path = f"{script.parent / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [script, *words],
        env={**kept, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def installs(script: Path) -> list[str]:
    """The calls of apt-get that change the machine."""
    calls = (script.parent / "asked").read_text().splitlines()
    return [call for call in calls if " install " in call and "--simulate" not in call]


def test_help_is_no_error_and_installs_nothing(script: Path) -> None:
    for word in ("--help", "-h"):
        done = called(script, word)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: ./run demo ")
    assert not (script.parent / "asked").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "run: say what to run: ./run demo, ./run scenarios, ./run tests or ./run docs\n"),
        (
            ["test"],
            "run: there is no ./run test; take ./run demo, ./run scenarios, ./run tests or "
            "./run docs\n",
        ),
    ],
    ids=["no word", "another word"],
)
def test_a_mistake_is_one_line(script: Path, words: list[str], said: str) -> None:
    done = called(script, *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("what", "last"),
    [
        ("scenarios", "zstd"),
        ("tests", "zstd chromium gpg libclang-rt-19-dev rpm"),
        ("tests -e arm64", "zstd chromium gpg libclang-rt-19-dev rpm gcc-aarch64-linux-gnu"),
    ],
)
def test_what_is_missing_is_installed_where_nothing_else_changes(
    script: Path, what: str, last: str
) -> None:
    (script.parent / "planned").write_text(NEW)
    done = called(script, *what.split())
    assert "has to change" not in done.stderr
    assert "python3 cannot make a venv" in done.stderr, "it went on"
    [call] = installs(script)
    assert "--no-upgrade" in call
    assert call.endswith(f" zlib1g-dev {last}")


@pytest.mark.parametrize(
    ("planned", "what"), [(UPGRADE, "libzstd1"), (REMOVAL, "old-tool (removed)")]
)
def test_no_other_package_is_changed_unasked(script: Path, planned: str, what: str) -> None:
    (script.parent / "planned").write_text(planned)
    done = called(script, "tests")
    assert done.returncode == 2
    said = f"run: for that, apt has to change packages that are installed: {what}\n"
    assert said in done.stderr
    assert "run: nothing was installed; set UMD_UPGRADE=yes to allow it, or install" in done.stderr
    assert installs(script) == []


LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4096 (apt-get)"


@pytest.mark.parametrize(
    ("said", "times", "tries"), [(LOCKED, 2, 3), (LOCKED, 1000, 120), ("E: no network", 1000, 1)]
)
def test_the_lists_that_another_apt_get_holds_are_waited_for(
    script: Path, said: str, times: int, tries: int
) -> None:
    (script.parent / "planned").write_text(NEW)
    tools = script.parent / "bin"
    (tools / "sleep").write_text("#!/bin/sh\n")
    (tools / "sleep").chmod(0o755)
    with (tools / "apt-get").open("a") as text:
        text.write(
            f"[ $(grep -c ' update$' asked) -gt {times} ] || "
            f"case \"$*\" in *update) echo '{said}' >&2; exit 100 ;; esac\n"
        )
    done = called(script, "tests")
    asked = (script.parent / "asked").read_text().splitlines()
    assert len([call for call in asked if call.endswith(" update")]) == tries
    assert len(installs(script)) == (times < tries)
    assert done.stderr.count("run: waiting for another apt-get to end, ") == (said == LOCKED)
    assert (said in done.stderr) is (times > tries)


@pytest.mark.parametrize("name", ["CI", "UMD_UPGRADE"])
def test_what_is_allowed_is_said_and_done(script: Path, name: str) -> None:
    (script.parent / "planned").write_text(UPGRADE)
    done = called(script, "tests", **{name: "yes"})
    assert "apt has to change packages that are installed: libzstd1\n" in done.stderr
    assert len(installs(script)) == 1

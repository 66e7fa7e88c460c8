# SPDX-License-Identifier: GPL-2.0-only
"""`doctor` on this machine, and on one where things are missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.cli import doctor
from harness.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """What → (mark, text)."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        match = re.fullmatch(r"(ok|MISSING|note) +(\S+(?: [a-z]+)?) +(\S.*)", line)
        assert match, line
        found[match[2]] = (match[1], match[3])
    return found


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which there is only what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("bare_path")
def test_every_missing_tool_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 2
    found = lines(capsys)
    assert found["python"][0] == "ok"
    assert found["qemu"] == ("MISSING", "apt-get install qemu-system-x86")
    assert found["klcc"] == (
        "MISSING",
        "compiler of the handlers: apt-get install libklibc-dev",
    )
    assert found["pahole"][0] == found["gcc"][0] == found["accelerator"][0] == "MISSING"
    assert found["ccache"][0] == "note"


def test_a_line_without_source_says_what_to_install() -> None:
    finding = doctor._source("0.99")
    assert not finding.is_fine
    assert finding.text == "apt-get install linux-source-0.99"


def test_a_line_that_is_fetched_says_from_where_or_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "KERNEL_PATCHES", tmp_path)
    (tmp_path / "9.9").mkdir()
    source = '[source]\npackage = "linux-source-9.9"\nsuite = "sid"\n'
    (tmp_path / "9.9/series.toml").write_text(source)
    finding = doctor._source("9.9")
    assert ("linux-source-9.9 of sid: `build` fetches it" in finding.text) is finding.is_fine
    place = tmp_path / "umd-harness/sources/linux-source-9.9_sid"
    place.mkdir(parents=True)
    (place / "version").write_text("9.9.3-1\n")
    finding = doctor._source("9.9")
    assert finding.is_fine
    assert finding.text.startswith("linux-source-9.9 of sid, 9.9.3-1: ")


def test_an_old_qemu_is_not_enough(bare_path: Path) -> None:
    qemu = bare_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho QEMU emulator version 4.2.1\n")
    qemu.chmod(0o755)
    finding = doctor._qemu()
    assert not finding.is_fine
    assert finding.text == "QEMU emulator version 4.2.1: install 9.0 or newer"


def test_a_disk_without_room_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "_RUN_SPACE", 1 << 60)
    cache, space = doctor._cache("6.12")
    assert cache.is_fine
    assert not space.is_fine
    assert "set XDG_CACHE_HOME" in space.text

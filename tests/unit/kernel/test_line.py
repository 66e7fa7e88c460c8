# SPDX-License-Identifier: GPL-2.0-only
"""A further kernel line is a folder with a series.toml and its patches, and nothing else."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

import pytest
from miniature_kernel import FILES, LINE, PATCH, Miniature, make_miniature, pack, write_files

from harness.cli import options as arguments
from harness.cli.parser import parser
from harness.host.paths import CHECKOUT, KERNEL_PATCHES
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.series.lines import kernel_lines

if TYPE_CHECKING:
    from pathlib import Path

NEW = "7.5"


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    """The miniature with a source of another version, and a folder for it."""
    mini = make_miniature(tmp_path)
    changed = FILES["lib/string.c"].replace("string(void)", "string_of_7_5(void)")
    pack(mini.sources, FILES | {"lib/string.c": changed}, line=NEW)
    folder = {"series.toml": f"like = '{LINE}'\n", "0001-hook.patch": PATCH}
    write_files(mini.patches / NEW, folder)
    return mini


def test_it_is_built_of_its_own_source_with_the_shared_overlay(mini: Miniature) -> None:
    image = kernel_image(BuildRequest(NEW), progress=lambda _: None, workspace=mini.workspace)
    assert image.line == NEW
    assert {"string_of_7_5", "fork_hook", "library", "witness"} <= image.symbols.keys()


def test_the_command_line_takes_it(mini: Miniature, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse() -> str:
        return str(parser().parse_args(["run", "--line", NEW]).line)

    with pytest.raises(SystemExit):
        parse()
    monkeypatch.setattr(arguments, "KERNEL_PATCHES", mini.patches)
    assert parse() == NEW


def test_every_line_is_run_at_night() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(CHECKOUT / "tox.ini")
    commands = tox["testenv:lines"]["commands"]
    assert re.findall(r"run --line (\S+)", commands) == kernel_lines(KERNEL_PATCHES)

# SPDX-License-Identifier: GPL-2.0-only
"""The man page has each command with its options and examples, in the language of roff."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from harness.cli.man_page import commands, man_page, spelt, told_options
from harness.cli.parser import COMMANDS

SECTION = re.compile(r"^\.SS ([^\n]+)\n(.*?)(?=^\.S[SH] )", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, str]:
    return dict(SECTION.findall(man_page("1.2.3")))


def test_each_command_has_a_section_with_each_option_and_example() -> None:
    found = sections()
    assert list(found) == list(commands())
    for name, command in commands().items():
        text = found[name].replace(r"\-", "-")
        entries = re.findall(r"^\.TP\n\\fB(.*)\\fR$", text, re.MULTILINE)
        assert entries == [spelt(action) for action in told_options(command)]
    for one in COMMANDS:
        for line, does in one.examples.items():
            assert f"# {does}\numd-harness {line}\n" in found[one.name].replace(r"\-", "-")


def test_the_version_and_the_exit_status_are_in_it() -> None:
    page = man_page("1.2.3")
    assert page.startswith('.TH "UMD-HARNESS" 1 "" "umd-harness 1.2.3" "User Commands"\n')
    assert ".SH EXIT STATUS\n" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_roff_reads_it_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-rLL=200n"],
        input=man_page("1.2.3"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    for command in commands().values():
        for action in told_options(command):
            assert spelt(action) in shown

# SPDX-License-Identifier: GPL-2.0-only
"""Pages written by hand: their commands parse, their files exist, their examples load."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from umd_site import FOLDERS

from harness.brought.scenario_files import load_scenario_files
from harness.cli.parser import parser
from harness.host.paths import CHECKOUT
from harness.pytest_plugin.settings import SETTINGS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = CHECKOUT / "docs"
EXAMPLE = CHECKOUT / "tests" / "example_repository"
SHELL = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`((?:ci|docs|guest-images|harness|kernel-patches|tests)/[\w./-]+)`")
HARNESS = re.compile(r"^(?:\.venv/bin/)?umd-harness |^\./run scenarios ?")
MADE = {"docs/_build/html", "docs/_build/umd-harness.1"}


def pages() -> list[Path]:
    """Every page that is written by hand."""
    made = [DOCS / folder for folder in (*FOLDERS, "_build")]
    found = [
        page for page in DOCS.rglob("*.md") if not any(page.is_relative_to(one) for one in made)
    ]
    return sorted([*found, *CHECKOUT.glob("*.md")])


def name_of(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


def command_lines(page: str) -> Iterator[str]:
    """Yield the lines of a page that call the harness, without their comments."""
    for block in SHELL.findall(page):
        for line in block.replace("\\\n", " ").splitlines():
            if HARNESS.match(line.strip()):
                yield line.strip()


def check_command(line: str) -> None:
    """Raise SystemExit unless the parser of the command line takes the line."""
    words = shlex.split(line, comments=True)
    words = ["run", *words[2:]] if words[0] == "./run" else words[1:]
    parser().parse_args(words)


def test_there_are_pages_in_all_four_parts() -> None:
    parts = {page.parent.name for page in pages()}
    assert {"tutorials", "how-to", "reference", "explanation"} <= parts


def test_the_parser_takes_each_command_of_a_page() -> None:
    lines = [(name_of(page), line) for page in pages() for line in command_lines(page.read_text())]
    assert len(lines) > 50, "there are commands"
    for name, line in lines:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                check_command(line)
        except SystemExit as ended:
            if ended.code == 0:  # --help
                continue
            pytest.fail(f"{name}: {line}\n{said.getvalue()}", pytrace=False)


def test_a_wrong_option_is_found() -> None:
    (line,) = command_lines("```sh\numd-harness run --variants isolated  # all\n```\n")
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        check_command(line)


def test_the_plugin_takes_each_option_that_a_page_names() -> None:
    text = "".join(page.read_text() for page in [*pages(), EXAMPLE / "README.md"])
    named = set(re.findall(r"--umd-[a-z-]+", text))
    assert len(named) > 3, "there are options"
    assert named <= {setting.option for setting in SETTINGS.values()}


def test_the_first_run_of_a_series_in_the_readme_takes_few_cells() -> None:
    """A reader who has only the README has a verdict on a series within minutes."""
    (section,) = re.findall(
        r"^## Judge your own series$(.*?)^## ",
        (CHECKOUT / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    first = next(line for line in command_lines(section) if "--patches" in line)
    options = parser().parse_args(["run", *shlex.split(first, comments=True)[2:]])
    assert options.expression and options.variants == ["isolated"] and options.with_library


def test_each_file_that_a_page_names_is_there() -> None:
    named = {(name_of(page), file) for page in pages() for file in NAMED.findall(page.read_text())}
    assert len(named) > 30, "there are files"
    missing = {
        (page, file) for page, file in named if file not in MADE and not (CHECKOUT / file).exists()
    }
    assert not missing


def test_the_attack_of_the_tutorial_is_declared_as_the_tutorial_says() -> None:
    corpus = load_scenario_files([EXAMPLE / "first_attack.py"], SHIPPED)
    (name,) = corpus.scenarios.keys() - SHIPPED.scenarios.keys()
    scenario = corpus.scenarios[name]
    given = re.findall(
        r"^\| `([\w-]+)` \| `(\w+)` \|",
        (DOCS / "tutorials" / "first-attack.md").read_text(),
        re.MULTILINE,
    )
    assert [variant for variant, _ in given] == ["baseline", "isolated", "kthread"]
    assert {name: scenario.expected(corpus.variants[name]) for name, _ in given} == dict(given)

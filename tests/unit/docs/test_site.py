# SPDX-License-Identifier: GPL-2.0-only
"""The generated pages of the site hold all that the code declares."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from umd_site import (
    FOLDERS,
    attacks,
    commands,
    docstrings,
    pages,
    pictures,
    results,
    variants,
    write,
)
from umd_site.text import prose

from harness.cli.parser import parser
from harness.host.paths import CHECKOUT
from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

SECTION = re.compile(r"^\(attack-(\w+)\)=\n(.*?)(?=^\(attack-|\Z)", re.MULTILINE | re.DOTALL)


def test_each_attack_has_one_section_with_each_variant() -> None:
    text = "\n".join(attacks.pages().values())
    sections = SECTION.findall(text)
    assert sorted(name for name, _ in sections) == sorted(SCENARIOS)
    for name, section in sections:
        scenario = SCENARIOS[name]
        rows = dict(re.findall(r"^\| \*\*(\S+)\*\* \| (.*) \|$", section, re.MULTILINE))
        found = {one: verdict for verdict in rows for one in re.findall("`(.*?)`", rows[verdict])}
        assert found == {variant.name: scenario.expected(variant) for variant in VARIANTS.values()}
        assert f"## `{name}`" in section
        for hole in scenario.holes.values():
            assert prose(hole.reason) in section


def test_each_command_has_a_page_with_each_option() -> None:
    shown = commands.pages()
    told = parser().format_help()
    assert {name for name in shown if re.search(rf"^    {name}\b", told, re.MULTILINE)} == {*shown}
    assert len(shown) >= 15
    run = shown["run"]
    for option in ("-k EXPR", "--tree PATH", "--engine microvm|virtme|image", "--keep vmcore"):
        assert f"```{{option}} {option}\n" in run
    assert "\x1b" not in run


def test_each_variant_is_in_the_table() -> None:
    assert [row.split("`")[1] for row in variants.overview().splitlines()[2:]] == list(VARIANTS)


def test_a_file_that_is_no_longer_generated_goes(tmp_path: Path) -> None:
    old = tmp_path / FOLDERS[0] / "old.md"
    write(tmp_path, {f"{FOLDERS[0]}/old.md": "x"})
    before = old.stat().st_mtime_ns
    write(tmp_path, {f"{FOLDERS[0]}/old.md": "x"})
    assert old.stat().st_mtime_ns == before, "what is the same is not written again"
    write(tmp_path, {f"{FOLDERS[0]}/new.md": "y"})
    assert not old.exists()


def test_git_ignores_what_is_generated() -> None:
    paths = [f"docs/{name}" for name, _ in pages()]
    told = subprocess.run(
        ["git", "check-ignore", *paths], cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )
    assert told.stdout.split() == paths


def test_what_markdown_would_read_as_a_mark_is_escaped() -> None:
    assert prose("/proc/<pid>/mem *is* `a_b<c>`") == r"/proc/\<pid\>/mem \*is\* `a_b<c>`"


def test_the_layers_are_those_of_the_map() -> None:
    drawn = re.findall(r"<b>harness/(\w+)/</b>", pictures.layers(contributing()))
    folders = {path.parent.name for path in (CHECKOUT / "harness").glob("*/__init__.py")}
    assert set(drawn) == folders
    assert (drawn[0], drawn[-1]) == ("cli", "model")


def contributing() -> str:
    return (CHECKOUT / "CONTRIBUTING.md").read_text()


def test_a_map_without_folders_is_an_error() -> None:
    with pytest.raises(ValueError, match="no list of the folders"):
        pictures.layers("| folder | content |")


def test_a_picture_has_the_colours_of_the_page_and_a_text_for_screen_readers() -> None:
    svg = pictures.svg_of("digraph { a -> b }", "From a to b.")
    assert 'aria-label="From a to b."' in svg
    assert "currentColor" in svg
    assert "black" not in svg
    with pytest.raises(subprocess.CalledProcessError):
        pictures.svg_of("digraph {", "Broken.")


def test_the_fields_of_the_results_have_a_meaning() -> None:
    for struct in results.structs():
        assert struct.about, struct.name
        assert all(field.meaning for field in struct.fields), struct.name


DECLARED = """
'''run.json: what was run.'''
class _Base(Struct):
    schema: int
    '''The version.'''

class Header(_Base, frozen=True):
    '''A run.

    More.
    '''

    line: str | None = None
    '''The kernel line.'''

class Other:
    other: int
"""


def test_a_declaration_is_shown_with_the_fields_that_it_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run_header.py").write_text(DECLARED)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert [(one.name, one.about) for one in results.structs()] == [("Header", "A run.")]
    shown = results.tables()
    assert "### run.json: what was run\n" in shown
    assert "| `schema` | `int` | The version. |" in shown
    assert "| `line` | `str \\| None` | The kernel line. |" in shown


def test_a_docstring_has_no_mark_but_for_backticks() -> None:
    lines = ["Options, without CONFIG_; a* of `x_` and a_b.", "", "Two."]
    docstrings.plain(None, lines)
    assert lines == [r"Options, without CONFIG\_; a\* of `x_` and a_b.", "", "Two."]

# SPDX-License-Identifier: GPL-2.0-only
"""The generated pages of the site hold all that the code declares."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import tomllib
from enum import Enum
from pathlib import Path

import msgspec
import pytest
from sphinx.pycode import ModuleAnalyzer
from umd_site import (
    FOLDERS,
    attacks,
    commands,
    docstrings,
    pages,
    pictures,
    pytest_plugin,
    results,
    variants,
    write,
)
from umd_site.text import prose

import harness.results
from harness.cli import man_page
from harness.cli.parser import COMMANDS
from harness.host.paths import CHECKOUT
from harness.kernel.series.lines import DEFAULT_LINE
from harness.lab.lab import CALM_TRIES
from harness.model.variants import VARIANTS
from harness.pytest_plugin import plugin
from harness.pytest_plugin.settings import SETTINGS
from harness.report.listing_json import (
    CorpusList,
    ExpectedVerdict,
    ListedScenario,
    ListedVariant,
)
from harness.run.pool import ROUNDS
from harness.scenarios import EVERY, SCENARIOS
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.ids import class_of_row
from harness.studies.defences import DEFENCES, held_cells
from harness.witness import latency, layout
from harness.witness.reader import DEAD_SECONDS, TRANSACTIONS, Witness

SECTION = re.compile(r"^\(attack-(\w+)\)=\n(.*?)(?=^\(attack-|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^```\{option\} (.+)$", re.MULTILINE)


def test_each_attack_has_one_section_with_each_variant() -> None:
    text = "\n".join(attacks.pages().values())
    sections = SECTION.findall(text)
    assert sorted(name for name, _ in sections) == sorted(EVERY)
    for name, section in sections:
        scenario = EVERY[name]
        rows = dict(re.findall(r"^\| \*\*(\S+)\*\* \| (.*) \|$", section, re.MULTILINE))
        found = {one: verdict for verdict in rows for one in re.findall("`(.*?)`", rows[verdict])}
        assert found == {variant.name: scenario.expected(variant) for variant in VARIANTS.values()}
        assert f"## `{name}`" in section
        for hole in scenario.holes.values():
            assert prose(hole.reason) in section


def test_each_command_has_a_page_with_each_option() -> None:
    shown, all_commands = commands.pages(), man_page.commands()
    assert shown.keys() == all_commands.keys()
    assert len(shown) >= 15
    for name, command in all_commands.items():
        entries = ENTRY.findall(shown[name])
        options = {word for entry in entries for word in re.findall(r"(?:^|, )(-[\w-]+)", entry)}
        assert options == command._option_string_actions.keys() - {"-h", "--help"}, name
        positional = [one for one in command._actions if not one.option_strings]
        assert len(entries) == len(command._actions) - 1, "an entry for each, but for --help"
        assert sum(entry[0] != "-" for entry in entries) == len(positional), name
        assert "\x1b" not in shown[name]
    for one in COMMANDS:
        for line, does in one.examples.items():
            assert f"# {does}\numd-harness {line}\n" in shown[one.name]
    for option in ("-k EXPR", "--tree DIR", "--engine microvm|virtme|image", "--keep vmcore"):
        assert option in ENTRY.findall(shown["run"])


def test_the_list_of_commands_has_each_command() -> None:
    listed = re.findall(r"^\| \[`(\w+)`\]", commands.overview(), re.MULTILINE)
    assert listed == list(man_page.commands())


def test_the_list_of_attacks_has_each_file() -> None:
    listed = re.findall(r"\(attacks/(\w+)\.md\) \| (\d+) \|", attacks.overview())
    assert {name for name, _ in listed} == attacks.pages().keys()
    assert sum(int(number) for _, number in listed) == len(EVERY)


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


def kept() -> list[type[msgspec.Struct]]:
    """The classes of harness/results/ that declare an object in a file."""
    modules = [
        importlib.import_module(f"harness.results.{module.name}")
        for module in pkgutil.iter_modules(harness.results.__path__)
    ]
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, msgspec.Struct)
        if value.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_each_field_of_the_results_has_its_row() -> None:
    parts = re.findall(r"^\*\*(\w+)\*\*: .*?(?=^\*\*|\Z)", results.tables(), re.M | re.S)
    assert len(parts) == len(kept()) > 5
    for struct in kept():
        (part,) = re.findall(
            rf"^\*\*{struct.__name__}\*\*: .*?\n\n(\|.*?)\n\n", results.tables(), re.M | re.S
        )
        rows = re.findall(r"^\| `(\w+)` \| `.+` \| .+ \|$", part, re.MULTILINE)
        assert rows == list(struct.__struct_fields__), struct.__name__


def test_the_fields_of_the_results_have_a_meaning() -> None:
    for struct in results.structs():
        assert struct.about, struct.name
        assert all(field.meaning for field in struct.fields), struct.name


def test_each_field_of_the_list_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `.+` \| .+\. \|$", results.list_tables(), re.MULTILINE)
    objects = (CorpusList, ListedScenario, ExpectedVerdict, ListedVariant)
    assert rows == [field for one in objects for field in one.__struct_fields__]


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


def test_what_the_pytest_plugin_brings_has_its_entries() -> None:
    shown = pytest_plugin.tables()
    code = ast.parse(Path(str(plugin.__file__)).read_text())
    fixtures = {
        one.name
        for one in code.body
        if isinstance(one, ast.FunctionDef)
        if any("pytest.fixture" in ast.unparse(mark) for mark in one.decorator_list)
    }
    assert {"scenario_results", "umd_guest"} <= fixtures
    options = [setting.option for setting in SETTINGS.values()]
    assert {"--umd-scenario", "--umd-line"} <= set(options)
    assert [entry.split()[0] for entry in ENTRY.findall(shown)] == options
    for name in ("scenario_cell", *fixtures):
        assert re.search(rf"^`{name}`\n: [A-Z].*\.", shown, re.MULTILINE), name
    for name in SETTINGS:
        assert re.search(rf"^[A-Z].*\. Setting: `{name}`\.$", shown, re.MULTILINE), name


def documented() -> dict[str, type]:
    """The classes that a page of the reference shows by autodoc, by their full names."""
    text = "\n".join(page.read_text() for page in (CHECKOUT / "docs/reference").glob("*.md"))
    found = re.findall(r"^\.\. autoclass:: (harness\.[\w.]+)", text, re.MULTILINE)
    return {
        name: getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2])
        for name in found
    }


def test_each_field_that_the_reference_shows_has_a_docstring() -> None:
    shown = documented()
    assert {"Declaration", "Hole", "Effect", "Verdict", "Guest", "Cell", "Outcome"} <= {
        one.__name__ for one in shown.values()
    }
    for name, one in shown.items():
        told = ModuleAnalyzer.for_module(one.__module__).find_attr_docs()
        fields = list(one.__members__) if issubclass(one, Enum) else []
        if dataclasses.is_dataclass(one):
            fields = [
                field.name for field in dataclasses.fields(one) if field.name in one.__annotations__
            ]
        missing = [field for field in fields if (one.__name__, field) not in told]
        assert not missing, name


def test_the_glossary_has_the_words_of_the_project() -> None:
    page = (CHECKOUT / "docs/explanation/glossary.md").read_text()
    words = re.findall(r"^(\w.*)\n  [A-Z0-9`]", page, re.MULTILINE)
    assert words == sorted(words, key=str.lower)
    assert set(words) >= {
        "aftermath", "axis", "control", "flavour", "handler", "known hole", "line", "loader",
        "manager", "reference cell", "rival", "step", "variant", "witness",
    }  # fmt: skip


def test_the_numbers_of_the_explanation_are_those_of_the_code() -> None:
    seconds = inspect.signature(Witness.aftermath).parameters["seconds"].default
    words = {3: "three", 8: "eight"}
    said = f"""
        1. {TRANSACTIONS} more requests,
        The aftermath has {seconds} s.
        no heartbeat for {DEAD_SECONDS} s,
        A cell has {words[ROUNDS]} rounds at most.
        It runs {words[CALM_TRIES]} times at most.
        | the longest reply | {latency.SLOW_NS / 1e9:g} s,
        {latency.MEDIAN_TIMES} times the median before the attack,
        at least {latency.MEDIAN_TIMES * latency.MEDIAN_FLOOR_NS / 1e6:g} ms |
        {latency.P95_TIMES} times the percentile before the attack,
        at least {latency.P95_TIMES * latency.P95_FLOOR_NS / 1e6:g} ms |
        with at least {latency.ENOUGH} replies
        latest {layout.RECORDS} requests
    """
    page = " ".join((CHECKOUT / "docs/explanation/verdicts.md").read_text().split())
    assert [line.strip() for line in said.split("\n") if line.strip() not in page] == []


def test_the_numbers_of_the_attack_surface_are_those_of_the_lists() -> None:
    every = class_of_row().keys()
    files = (CHECKOUT / "harness/surface/reviewed").glob("*.toml")
    reviewed = [tomllib.loads(path.read_text()) for path in files]
    led_to = {row for lists in reviewed for row in lists.get("covered", {})}
    assert led_to <= every
    page = (CHECKOUT / "docs/reference/surface.md").read_text()
    assert f"lead to {len(led_to)} of the {len(every)} rows" in page


def test_the_page_of_the_defences_has_each_defence_and_each_attack() -> None:
    page = (CHECKOUT / "docs/reference/defences.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", page, re.MULTILINE))
    assert {name: rows.get(name) for name in DEFENCES} == DEFENCES
    (shared,) = re.findall(r"^No single defence holds .*$", page, re.MULTILINE)
    (unmeasured,) = re.findall(r"not in it, because .*?:(.*?)\.\n\n", page, re.DOTALL)
    named = {*re.findall(r"`(\w+)` \(", page), *re.findall(r"`(\w+)`", shared + unmeasured)}
    assert named == {cell.scenario for cell in held_cells(SHIPPED, DEFAULT_LINE)}


def test_each_id_that_an_attack_answers_is_explained() -> None:
    page = (CHECKOUT / "docs/reference/requirements.md").read_text()
    first = re.findall(r"^\| ([A-Z]\d.*?) \|", page, re.MULTILINE)
    explained = {name for column in first for name in column.split(", ")}
    cited = {name for scenario in SCENARIOS.values() for name in scenario.answers}
    assert len(cited) > 20
    assert cited <= explained

# SPDX-License-Identifier: GPL-2.0-only
"""The parser: made without a kernel, typed for each command, and with a help for each option."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import harness.cli
from harness.cli import compare, run, shell
from harness.cli.argument_parser import ArgumentParser
from harness.cli.declare import (
    add_options,
    group,
    option,
    positionals,
    read_options,
    repeated,
    words_of,
)
from harness.cli.options import positive
from harness.cli.parser import COMMANDS, parser
from harness.engines import ENGINES, MICROVM
from harness.host.paths import CHECKOUT
from harness.judge.cells import all_cells
from harness.judge.selection import select
from harness.model.engine_names import DEFAULT_ENGINE, ENGINE_NAMES
from harness.model.handlers import DEFAULT_HANDLER
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from harness.cli.command import Command

FRAME = {
    "argument_parser",
    "bench_handlers",
    "chosen",
    "command",
    "completers",
    "declare",
    "main",
    "man_page",
    "options",
    "output",
    "parser",
    "run_again",
}
"""The modules of the command line that are no command."""

PURE = """
import sys
from harness.cli.parser import parser
parser().format_help()
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"paramiko", "rich", "pytest"}))
print(*sorted(name for name in sys.modules if name.startswith("harness.")))
"""
LIGHT = ("harness.cli", "harness.host", "harness.model", "harness.brought", "harness.kernel.series")


def test_each_command_has_a_file_of_its_name() -> None:
    folder = Path(harness.cli.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
    assert files - FRAME == {command.name for command in COMMANDS}


def test_the_parser_needs_no_kernel_and_imports_nothing_slow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PURE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    slow, ours = done.stdout.split("\n")[:2]
    assert slow == ""
    others = [name for name in ours.split() if not name.startswith(LIGHT)]
    assert others == [
        "harness.kernel",
        "harness.results",
        "harness.results.run_comparison",
        "harness.results.run_name",
    ]
    assert not list(tmp_path.iterdir())


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args(["--version"])
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"umd-harness {declared}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no command is given; see `umd-harness --help`"),
        (["rum"], "there is no command 'rum'; did you mean run?"),
        (["--verison"], "there is no option --verison; did you mean --version?"),
        (["run", "--varaint=x"], "there is no option --varaint of run; did you mean --variant?"),
        (["run", "--varaint", "x"], "there is no option --varaint of run; did you mean --variant?"),
        (["run", "x"], "run does not take the word 'x'; choose cells with -k x"),
        (["run", "-k"], "-k: expected one argument; see `umd-harness run --help`"),
        (["run", "--engine", "micorvm"], "--engine: there is no value 'micorvm'; did you mean mic"),
        (["clean", "--al"], "there is no option --al of clean; did you mean --all?"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(words)
    told = capsys.readouterr().err
    assert told.startswith(f"umd-harness: {said}")
    assert told.count("\n") == 1


def parsers() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(commands.choices)


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_option_has_a_help_that_says_its_default(name: str) -> None:
    one = parsers()[name]
    assert one.description
    for action in one._actions:
        assert action.help, action.dest
        takes_a_value = action.option_strings and action.nargs != 0
        may_be_left_out = not action.required and action.default is None
        if takes_a_value and may_be_left_out:
            assert "(default: " in action.help, action.option_strings
        if (found := re.search(r"\(default: ([\w./,]+)\)", action.help)) and action.default:
            given = action.default
            text = ",".join(given) if isinstance(given, tuple) else str(given)
            assert found[1] == text, action.option_strings


@pytest.mark.parametrize("name", ["run", "list", "repeat"])
def test_the_help_of_the_variant_option_names_each_variant(name: str) -> None:
    (found,) = [one for one in parsers()[name]._actions if one.dest == "variants"]
    assert found.help is not None
    assert all(variant in found.help for variant in SHIPPED.variants)


def test_the_engines_are_those_that_there_are() -> None:
    assert tuple(ENGINES) == ENGINE_NAMES
    assert MICROVM.name == DEFAULT_ENGINE


def test_a_command_gets_its_options_typed() -> None:
    words = ["run", "-k", "a", "--variant", "isolated", "--tree", "linux", "--attack", "mine.c"]
    options = read_options(run.Options, parser().parse_args(words))
    assert options.expression == "a"
    assert options.variants == ("isolated",)
    assert (options.kernel.tree, options.kernel.line) == (Path("linux"), "6.12")
    assert options.own.attacks == (Path("mine.c"),)
    assert (options.own.scenario_files, options.keep, options.results) == (
        (),
        None,
        Path("results"),
    )
    with pytest.raises(FrozenInstanceError):
        options.expression = "b"  # type: ignore[misc] # it is frozen
    pair = read_options(compare.Options, parser().parse_args(["compare", "x", "y", "--map", "a=b"]))
    assert (pair.old, pair.new, pair.renamed) == ("x", "y", (("a", "b"),))
    assert pair.fail_on == ("worse", "error")


def test_the_words_after_two_dashes_are_the_commands() -> None:
    words = ["shell", "--variant", "baseline", "--", "sh", "-c", "id", "--", "--variant"]
    options = read_options(shell.Options, parser().parse_args(words))
    assert options.variant == "baseline"
    assert options.words == ("sh", "-c", "id", "--", "--variant")


@dataclass(frozen=True)
class Inner:
    depth: int = option("--depth", convert=positive, default=3, metavar="N", help="how deep")


@dataclass(frozen=True)
class Outer:
    names: tuple[str, ...] = positionals(metavar="NAME", help="names")
    files: tuple[Path, ...] = repeated("--file", convert=Path, metavar="FILE", help="a file")
    inner: Inner = group("inside", Inner)  # noqa: RUF009 - as in harness/cli


def parsed(*words: str) -> Outer:
    one = argparse.ArgumentParser()
    add_options(one, Outer)
    return read_options(Outer, one.parse_args(words))


def test_a_dataclass_is_what_its_fields_declare() -> None:
    assert parsed() == Outer((), (), Inner(3))
    assert parsed("a", "b", "--file", "x", "--file", "y", "--depth", "5") == Outer(
        ("a", "b"), (Path("x"), Path("y")), Inner(5)
    )
    assert parsed("--file", "x") == parsed("--file", "x"), "no default was written to"


def test_the_words_of_options_give_the_same_options() -> None:
    assert words_of(parsed()) == []
    some = parsed("a", "b", "--file", "x", "--file", "y", "--depth", "5")
    assert words_of(some) == ["a", "b", "--file", "x", "--file", "y", "--depth", "5"]
    words = ["run", "-k", "a or b", "--variant", "isolated", "--tree", "linux", "--with-library"]
    options = read_options(run.Options, parser().parse_args(words))
    assert words_of(options) == words[1:]


def test_every_field_of_the_options_is_an_argument() -> None:
    for command in COMMANDS:
        found = read_options(command.options, parser().parse_args(WORDS[command.name]))
        assert {one.name for one in fields(found)} == set(vars(found))


WORDS = {command.name: [command.name] for command in COMMANDS} | {
    "compare": ["compare", "old", "new"],
    "show": ["show", "latest", "nothing"],
    "table": ["table", "latest"],
    "convert": ["convert", "latest"],
    "completion": ["completion", "bash"],
    "bisect": ["bisect", "-k", "nothing"],
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_each_example_is_a_command_line_that_chooses_something(command: Command[Any]) -> None:
    for line in command.examples:
        words = shlex.split(line)
        assert words[0] == command.name
        given = vars(parser().parse_args(words))
        variants = given.get("variants") or ()
        corpus = SHIPPED.with_handler(given.get("handler") or DEFAULT_HANDLER)
        if "expression" in given:
            assert select(corpus, all_cells(corpus, variants=variants), given["expression"])
        if given.get("scenario"):
            assert given["scenario"] in SHIPPED.scenarios


def test_each_help_ends_with_two_to_six_examples() -> None:
    for one in (parser(), *parsers().values()):
        assert isinstance(one, ArgumentParser)
        assert 2 <= len(one.examples) <= 6
        told = one.format_help().partition("\nexamples:\n")[2]
        assert told == "".join(
            f"  umd-harness {line}\n      {does}\n" for line, does in one.examples.items()
        )
        assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize(("words", "like"), [("help", "--help"), ("help run", "run --help")])
def test_help_is_a_word_as_well(capsys: pytest.CaptureFixture[str], words: str, like: str) -> None:
    told = []
    for line in (words, like):
        with pytest.raises(SystemExit, match="0"):
            parser().parse_args(line.split())
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != ""


def test_the_examples_of_the_whole_are_command_lines() -> None:
    whole = parser()
    assert isinstance(whole, ArgumentParser)
    for line in whole.examples:
        try:
            assert parser().parse_args(shlex.split(line)).command
        except SystemExit as ended:
            assert (line.split()[-1], ended.code) == ("--help", 0)

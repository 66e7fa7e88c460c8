# SPDX-License-Identifier: GPL-2.0-only
"""The commands, from the parser that reads the command line.

sphinx-argparse does this as well, but drops what an option takes (`--tree DIR`) and prints
defaults that depend on the machine (`--jobs`).
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from harness.cli.argument_parser import PROGRAM
from harness.cli.parser import parser
from umd_site.text import code, prose, sentence, table, toctree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.cli.argument_parser import ArgumentParser

GENERATED = "<!-- Generated from the command line's parser each time that the site is built. -->"
_USAGE = "usage: "
_WIDTH = 88
_MAN_WIDTH = 72  # a terminal's 80 columns less the indentation
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def pages() -> dict[str, str]:
    """Return the page of each command, by its name."""
    return {name: "\n\n".join(_page(name, command)) + "\n" for name, command in _all().items()}


def overview() -> str:
    """Return the list of the commands, for the page that is written by hand."""
    rows = [
        [f"[`{name}`](commands/{name}.md)", prose(command.description or "")]
        for name, command in _all().items()
    ]
    toc = [f"{name} <commands/{name}>" for name in _all()]
    return "\n\n".join([table(["command", "purpose"], *rows), toctree(toc)]) + "\n"


def manual() -> str:
    """Return the section of each command, for the man page."""
    sections = ([f"### {name}", *_body(name, one, _MAN_WIDTH)] for name, one in _all().items())
    return "\n\n".join(part for section in sections for part in section) + "\n"


def _all() -> dict[str, ArgumentParser]:
    (choice,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(choice.choices)


def _page(name: str, command: ArgumentParser) -> Iterator[str]:
    yield GENERATED
    yield f"# `{name}`"
    yield from _body(name, command)


def _body(name: str, command: ArgumentParser, width: int = _WIDTH) -> Iterator[str]:
    yield prose(command.description or "")
    yield f"```text\n{usage(command, width)}\n```"
    yield f"```sh\n{_examples(command)}\n```"
    yield f"```{{program}} umd-harness {name}\n```"
    for action in command._actions:
        if action.help is not argparse.SUPPRESS and "--help" not in action.option_strings:
            yield f"```{{option}} {_spelt(action)}\n{_told(action)}\n```"


def usage(command: ArgumentParser, width: int) -> str:
    """Return how the command is called, in lines of a fixed width."""
    command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=width)
    lines = _COLOURS.sub("", command.format_usage()).strip().splitlines()
    first = lines[0].removeprefix(_USAGE)
    return "\n".join([first, *(line.removeprefix(" " * len(_USAGE)) for line in lines[1:])])


def _examples(command: ArgumentParser) -> str:
    lines = [f"# {does}\n{PROGRAM} {line}" for line, does in command.examples.items()]
    return "\n\n".join(lines)


def _spelt(action: argparse.Action) -> str:
    takes = _takes(action)
    if not action.option_strings:
        return takes
    return ", ".join(f"{name} {takes}".strip() for name in action.option_strings)


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return f"[{action.metavar}]" if action.nargs == "?" else action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _told(action: argparse.Action) -> str:
    said = sentence(action.help or "")
    if action.choices is not None and action.metavar is not None:
        said += f" Choices: {', '.join(code(str(choice)) for choice in action.choices)}."
    return said

# SPDX-License-Identifier: GPL-2.0-only
"""The commands, from the parser that reads the command line.

sphinx-argparse does this as well, but drops what an option takes (`--tree DIR`) and prints
defaults that depend on the machine (`--jobs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.argument_parser import PROGRAM
from harness.cli.man_page import commands, spelt, told_options, usage
from umd_site.text import code, prose, sentence, table, toctree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from harness.cli.argument_parser import ArgumentParser

GENERATED = "<!-- Generated from the command line's parser each time that the site is built. -->"
_WIDTH = 88


def pages() -> dict[str, str]:
    """Return the page of each command, by its name."""
    return {name: "\n\n".join(_page(name, command)) + "\n" for name, command in commands().items()}


def overview() -> str:
    """Return the list of the commands, for the page that is written by hand."""
    rows = [
        [f"[`{name}`](commands/{name}.md)", prose(command.description or "")]
        for name, command in commands().items()
    ]
    toc = [f"{name} <commands/{name}>" for name in commands()]
    return "\n\n".join([table(["command", "purpose"], *rows), toctree(toc)]) + "\n"


def _page(name: str, command: ArgumentParser) -> Iterator[str]:
    yield GENERATED
    yield f"# `{name}`"
    yield from _body(name, command)


def _body(name: str, command: ArgumentParser) -> Iterator[str]:
    yield prose(command.description or "")
    yield f"```text\n{usage(command, _WIDTH)}\n```"
    yield f"```sh\n{_examples(command)}\n```"
    yield f"```{{program}} umd-harness {name}\n```"
    for action in told_options(command):
        yield f"```{{option}} {spelt(action)}\n{_told(action)}\n```"


def _examples(command: ArgumentParser) -> str:
    lines = [f"# {does}\n{PROGRAM} {line}" for line, does in command.examples.items()]
    return "\n\n".join(lines)


def _told(action: argparse.Action) -> str:
    said = sentence(action.help or "")
    if action.choices is not None and action.metavar is not None:
        said += f" Choices: {', '.join(code(str(choice)) for choice in action.choices)}."
    return said

# SPDX-License-Identifier: GPL-2.0-only
"""The man page umd-harness(1), written from the parser that reads the command line.

The build of the wheel writes it (setup.py), with the standard library alone. `python -m
harness.cli.man_page FILE` writes it as well.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.argument_parser import PROGRAM
from harness.cli.parser import parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.cli.argument_parser import ArgumentParser

PLACE = f"share/man/man1/{PROGRAM}.1"
"""Where `man` looks for the page, below the prefix of an installation."""

_USAGE = "usage: "
_WIDTH = 72  # a terminal's 80 columns less the indentation
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CODE = re.compile(r"`([^`]*)`")

_HEAD = (
    ("NAME", f"{PROGRAM} - measure whether root can tamper with a user mode driver"),
    ("SYNOPSIS", f"`{PROGRAM}` COMMAND [options]"),
    ("", f"`{PROGRAM}` COMMAND --help"),
    ("", f"`{PROGRAM}` --version"),
    (
        "DESCRIPTION",
        f"{PROGRAM} boots patched Linux kernels in QEMU, attacks a user mode driver as root in the "
        "guest, and draws each verdict from outside the guest. A cell is one attack (a scenario) "
        "on one policy (a variant).",
    ),
)
_STATUS = {
    "0": "All is as expected.",
    "1": "A result is not as expected.",
    "2": "A cell gave no conclusion, or the command could not do its work.",
    "128 + N": "Signal N stopped the command.",
}
_FILES = {
    "results/": "The runs, each in a folder of its own. The latest is results/latest.",
    "$XDG_CACHE_HOME/umd-harness, or else ~/.cache/umd-harness": (
        "Kernels, guests and saved states. `umd-harness clean` removes them."
    ),
}


def man_page(version: str) -> str:
    """Return the page as man(7) describes it, for this version of the harness."""
    return "\n".join(_page(version)) + "\n"


def commands() -> dict[str, ArgumentParser]:
    """Return the parser of each command, by its name."""
    (choice,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(choice.choices)


def usage(command: ArgumentParser, width: int) -> str:
    """Return how the command is called, in lines of a fixed width."""
    command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=width)
    lines = _COLOURS.sub("", command.format_usage()).strip().splitlines()
    first = lines[0].removeprefix(_USAGE)
    return "\n".join([first, *(line.removeprefix(" " * len(_USAGE)) for line in lines[1:])])


def told_options(command: ArgumentParser) -> list[argparse.Action]:
    """Return the options and the words of a command that its help explains, but for --help."""
    return [
        action
        for action in command._actions
        if action.help is not argparse.SUPPRESS and "--help" not in action.option_strings
    ]


def spelt(action: argparse.Action) -> str:
    """Return an option with what it takes, such as `--tree DIR`."""
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


def _page(version: str) -> Iterator[str]:
    yield f'.TH "{PROGRAM.upper()}" 1 "" "{PROGRAM} {version}" "User Commands"'
    yield from (".nh", ".ad l")  # an option is not hyphenated
    for title, text in _HEAD:
        yield f".SH {title}" if title else ".br"
        yield _roff(text)
    yield ".SH COMMANDS"
    for name, command in commands().items():
        yield from _section(name, command)
    yield ".SH EXIT STATUS"
    yield "Unless the command says otherwise:"
    yield from _entries(_STATUS.items())
    yield ".SH FILES"
    yield from _entries(_FILES.items())


def _section(name: str, command: ArgumentParser) -> Iterator[str]:
    yield f".SS {name}"
    yield _roff(command.description or "")
    yield from _verbatim(usage(command, _WIDTH))
    examples = [f"# {does}\n{PROGRAM} {line}" for line, does in command.examples.items()]
    yield from _verbatim("\n\n".join(examples))
    yield from _entries((spelt(action), _help(action)) for action in told_options(command))


def _help(action: argparse.Action) -> str:
    text = " ".join((action.help or "").split()).rstrip(".")
    choices = ""
    if action.choices is not None and action.metavar is not None:
        choices = f" Choices: {', '.join(map(str, action.choices))}."
    return f"{text[:1].upper()}{text[1:]}.{choices}"


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in entries:
        yield ".TP"
        yield rf"\fB{_plain(name)}\fR"
        yield _roff(text)


def _verbatim(text: str) -> Iterator[str]:
    yield from (".PP", ".RS 4", ".nf", _plain(text), ".fi", ".RE", ".PP")


def _roff(text: str) -> str:
    """Return a paragraph; what is between backticks is bold."""
    return _CODE.sub(r"\\fB\1\\fR", _plain(" ".join(text.split())))


def _plain(text: str) -> str:
    """Escape what roff would read as a request; a hyphen stays the one that a shell takes."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    lines = (rf"\&{line}" if line[:1] in (".", "'") else line for line in escaped.splitlines())
    return "\n".join(lines)


def main() -> None:
    """Write the page to the file that the command line names."""
    from harness.host.version import version

    Path(sys.argv[1]).write_text(man_page(version()))


if __name__ == "__main__":
    main()

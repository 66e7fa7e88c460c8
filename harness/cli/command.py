# SPDX-License-Identifier: GPL-2.0-only
"""A command: its name and help, its options, and the function that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.cli.declare import add_options, read_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

    from harness.cli.argument_parser import ArgumentParser

Options = TypeVar("Options", bound="DataclassInstance")


@dataclass(frozen=True)
class Command(Generic[Options]):
    """One command of `umd-harness`."""

    name: str
    summary: str
    """One line for the list of commands."""

    about: str
    """Further sentences for the command's own help: what it prints, its exit status."""

    options: type[Options]
    """The dataclass that declares the options (`declare`)."""

    run: Callable[[Options], int]
    """Run the command and return its exit status. Raises UserError."""

    examples: Mapping[str, str]
    """Two to six command lines, without the program's name, and what each of them does."""

    def add_to(self, commands: argparse._SubParsersAction[ArgumentParser]) -> None:
        """Add the command's parser. Its result has `run_parsed` as `command`, and the parser."""
        first = f"{self.summary[0].upper()}{self.summary[1:]}."
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=f"{first} {self.about}".strip(),
            examples=self.examples,
        )
        add_options(parser, self.options)
        parser.set_defaults(command=self.run_parsed, parser=parser)

    def run_parsed(self, namespace: argparse.Namespace) -> int:
        """Run the command with the options that the parser found."""
        return self.run(read_options(self.options, namespace))

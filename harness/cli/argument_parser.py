# SPDX-License-Identifier: GPL-2.0-only
"""A parser whose errors are one line, without the usage, that says what to do."""

from __future__ import annotations

import argparse
import sys
from shlex import quote
from typing import TYPE_CHECKING, Any, NoReturn

from harness.host.suggestion import hint_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROGRAM = "umd-harness"


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser for the whole command line, and for each command.

    An option has to be written out: `clean --al` must not be `clean --all`.
    """

    def __init__(self, *, examples: Mapping[str, str], **settings: Any) -> None:
        """Make a parser with argparse's settings, and with examples for the end of its help."""
        super().__init__(allow_abbrev=False, **settings)
        self.examples = examples

    def format_help(self) -> str:
        """Return argparse's help and the examples, each with a line that says what it does."""
        lines = [f"  {PROGRAM} {line}\n      {does}\n" for line, does in self.examples.items()]
        return "".join([super().format_help(), "\nexamples:\n", *lines])

    def parse_args(  # type: ignore[override] # only this way of calling it is used
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return what the words stand for; exit with 2 and one line if they stand for nothing.

        `help COMMAND` is `COMMAND --help`, as in git.
        """
        words = list(sys.argv[1:] if args is None else args)
        if words[:1] == ["help"]:
            words = [*words[1:], "--help"]
        parsed, unknown = self.parse_known_args(words, namespace)
        if unknown:
            getattr(parsed, "parser", self).reject(unknown)
        if "command" not in parsed:
            self.error("no command is given")
        return parsed

    def reject(self, unknown: Sequence[str]) -> NoReturn:
        """Exit with a line about words that the command does not take, of which the first counts.

        An option of them counts before other words: these may be its value.
        """
        command = self.prog.removeprefix(PROGRAM).strip()
        word = next((word for word in unknown if word.startswith("-")), unknown[0])
        name = word.partition("=")[0]
        known = self._option_string_actions
        if not name.startswith("-"):
            hint = f"; choose cells with -k {quote(name)}" if "-k" in known else ""
            self.error(f"{command} does not take the word {name!r}{hint}")
        hint = hint_for(name, known, otherwise=self._help_hint(), likeness=0.7)
        of_command = f" of {command}" if command else ""
        self.error(f"there is no option {name}{of_command}; {hint}")

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and one line. A message with a semicolon says itself what to do."""
        told = message.removeprefix("argument ")
        hint = "" if "; " in told else f"; {self._help_hint()}"
        sys.stderr.write(f"{PROGRAM}: {told}{hint}\n")
        sys.exit(2)

    def _help_hint(self) -> str:
        return f"see `{self.prog} --help`"

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError, with the nearest choice, for a value that is no choice."""
        if action.choices is None or value in action.choices:
            return
        what = f"{action.metavar}".lower() if not action.option_strings else "value"
        hint = hint_for(str(value), map(str, action.choices))
        option = action if action.option_strings else None
        raise argparse.ArgumentError(option, f"there is no {what} {value!r}; {hint}")


class PrintVersion(argparse.Action):
    """`--version`: print the version and exit. It is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print the version and exit with 0."""
        from harness.host.version import version

        sys.stdout.write(f"{PROGRAM} {version()}\n")
        parser.exit()

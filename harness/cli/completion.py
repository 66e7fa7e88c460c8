# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness completion`: the code with which a shell completes the words of a command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from harness.cli.argument_parser import PROGRAM
from harness.cli.command import Command
from harness.cli.declare import one_of
from harness.cli.output import say


@dataclass(frozen=True)
class Options:
    """The options of `completion`."""

    shell: str = one_of(
        metavar="SHELL", choices=("bash", "zsh", "fish"), help="the shell that runs the code"
    )


def run(options: Options) -> int:
    """Print the code."""
    from argcomplete.shell_integration import shellcode

    # bash and zsh ask the program that was typed. fish asks this one, which may not be in PATH.
    typed = Path(sys.argv[0])
    asked = str(typed.absolute()) if options.shell == "fish" and typed.name == PROGRAM else None
    say(shellcode([PROGRAM], shell=options.shell, argcomplete_script=asked))
    return 0


COMMAND = Command(
    "completion",
    "print the code with which a shell completes commands, options and names",
    'In ~/.bashrc and ~/.zshrc the line is eval "$(umd-harness completion SHELL)"; in zsh, after '
    "compinit. The code also completes scenarios, variants, kernel lines, runs, and the cells of a "
    "run.",
    Options,
    run,
    examples={
        "completion bash": "print the code for bash",
        "completion fish": "print the code for ~/.config/fish/completions/umd-harness.fish",
    },
)

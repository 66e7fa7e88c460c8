# SPDX-License-Identifier: GPL-2.0-only
"""The parser of the whole command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.cli import (
    bench,
    bisect,
    build,
    campaign,
    clean,
    compare,
    completion,
    convert,
    defences,
    demo,
    doctor,
    export,
    findings,
    kselftest,
    merge,
    repeat,
    report,
    run,
    shell,
    show,
    surface,
    table,
)
from harness.cli import list as listing
from harness.cli.argument_parser import PROGRAM, ArgumentParser, PrintVersion

if TYPE_CHECKING:
    import argparse

    from harness.cli.command import Command

COMMANDS: tuple[Command[Any], ...] = (
    doctor.COMMAND,
    demo.COMMAND,
    build.COMMAND,
    listing.COMMAND,
    run.COMMAND,
    shell.COMMAND,
    surface.COMMAND,
    bench.COMMAND,
    repeat.COMMAND,
    defences.COMMAND,
    campaign.COMMAND,
    export.COMMAND,
    report.COMMAND,
    findings.COMMAND,
    show.COMMAND,
    compare.COMMAND,
    merge.COMMAND,
    table.COMMAND,
    convert.COMMAND,
    bisect.COMMAND,
    kselftest.COMMAND,
    clean.COMMAND,
    completion.COMMAND,
)
"""The commands, in the order of the help."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `umd-harness` with all of its commands.

    The result of parsing has the function that runs the command as `command`. The parser is made
    without a kernel, a build or a guest: the reference page of the documentation is made from it.
    """
    whole = ArgumentParser(
        prog=PROGRAM,
        description="Boot patched Linux kernels in QEMU, attack a user mode driver as root in the "
        "guest, and draw each verdict from outside the guest.",
        epilog="Exit status, unless a command's help says otherwise: 0 if all is as expected, 1 if "
        "something is not, 2 if a cell gave no conclusion or the command could not do its work.",
        examples={
            "doctor": "see what this machine lacks",
            "demo": "make one attack on three variants, and see what the verdicts mean",
            "run": "run every scenario on every variant",
            "run --help": "see the options and examples of a command",
        },
    )
    whole.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and exit")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return whole

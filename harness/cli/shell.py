# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness shell`: a root shell, or one command, in a machine of a variant."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.brought.options import Brought, corpus_with, own_variants
from harness.cli.chosen import chosen_kernel
from harness.cli.command import Command
from harness.cli.declare import choice, option, positionals, several, switch
from harness.cli.options import (
    SHIPPED_VARIANTS,
    KernelOptions,
    engine_option,
    handler_option,
    kernel_options,
    scenario_files_option,
    variant_files_option,
)
from harness.cli.output import say, warn
from harness.host.errors import UserError

if TYPE_CHECKING:
    from harness.lab.lab import Lab
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario

_DEFAULT = "isolated"


@dataclass(frozen=True)
class Options:
    """The options of `shell`."""

    words: tuple[str, ...] = positionals(
        metavar="COMMAND",
        help="run this command in place of a shell, without a terminal; write -- before it",
    )
    variant: str | None = option(
        "--variant",
        convert=str,
        default=None,
        metavar="VARIANT",
        help=f"the variant to boot (default: {_DEFAULT}, or the first of your own); "
        f"{SHIPPED_VARIANTS}",
    )
    scenario: str | None = option(
        "--prepare",
        convert=str,
        default=None,
        metavar="NAME",
        help="prepare the machine as for this scenario, up to its attack (default: that of "
        "--scenario, or none)",
    )
    at: str | None = choice(
        "--at",
        choices=("before", "after"),
        default=None,
        help="open the shell before the attack of --prepare, or after it; `after` also makes the "
        "attack and prints its calls, and leaves out the aftermath (default: before)",
    )
    files: tuple[Path, ...] = several(
        "--copy",
        convert=Path,
        metavar="FILE",
        help="copy these files into /tmp of the guest, before the shell or the command starts",
    )
    gdb: bool = switch(
        "--gdb",
        help="stop the machine until gdb continues it, and print the command that starts gdb",
    )
    boot: bool = switch(
        "--boot",
        help="boot with the console on this terminal, instead of restoring the saved state",
    )
    engine: str = engine_option()
    handler: str = handler_option()
    variant_files: tuple[Path, ...] = variant_files_option()
    scenario_files: tuple[Path, ...] = scenario_files_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Stay until the shell or the command ends. Raises UserError."""
    corpus = corpus_with(
        Brought(scenario_files=options.scenario_files), options.variant_files, options.handler
    )
    variant = options.variant or (*own_variants(corpus), _DEFAULT)[0]
    scenario = _checked(options, corpus, variant)
    # Standard output is the command's alone.
    with redirect_stdout(sys.stderr) if options.words else nullcontext():
        lab = _opened(options, corpus, variant)

    from harness.shell.boot import boot_shell
    from harness.shell.guest_command import run_in_guest
    from harness.shell.session import BEFORE, ShellTarget, run_shell

    if options.boot:
        return boot_shell(lab, variant, gdb=options.gdb, say=say)
    target = ShellTarget(lab, variant, scenario, options.at or BEFORE, options.files)
    if options.words:
        return run_in_guest(target, options.words, gdb=options.gdb, say=warn)
    return run_shell(target, gdb=options.gdb, say=say)


def _checked(options: Options, corpus: Corpus, variant: str) -> Scenario | None:
    """Check the options before anything is built; return the scenario."""
    from harness.judge.cells import check_variants
    from harness.shell.copied_files import check_files
    from harness.shell.keyboard import check_terminal
    from harness.shell.session import check_applicable, chosen_scenario

    check_variants(corpus, [variant], engine=options.engine)
    scenario = chosen_scenario(corpus, options.scenario)
    if options.at and not scenario:
        raise UserError("--at says where in a scenario", hint="name it with --prepare")
    if options.boot and scenario:
        raise UserError("a scenario starts from a machine that is up", hint="leave out --boot")
    if options.boot and options.words:
        raise UserError("a command runs in a machine that is up", hint="leave out --boot")
    if options.boot and options.files:
        raise UserError("files are copied into a machine that is up", hint="leave out --boot")
    check_files(options.files)
    if scenario:
        check_applicable(scenario, corpus.variants[variant])
    if not options.words:
        check_terminal()
    return scenario


def _opened(options: Options, corpus: Corpus, variant: str) -> Lab:
    """Build or find the images that the variant needs."""
    from harness.engines import ENGINES
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line

    kernel = chosen_kernel(options.kernel, corpus, [variant], engine=options.engine)
    with progress_line(console()) as progress:
        return Lab.open(
            kernel.line,
            [variant],
            progress=progress,
            choice=kernel.choice,
            engine=ENGINES[options.engine],
            corpus=corpus,
        )


COMMAND = Command(
    "shell",
    "open a root shell in a machine of a variant, or run one command there",
    "The handler is up and the witness runs, as before every attack. A command's standard input is "
    "empty, and its environment has UMD_HANDLER_PID. Exit status: that of the command, 128 + N "
    "if signal N ended it, 2 if it could not be run; else 0.",
    Options,
    run,
    examples={
        "shell": "open a root shell on `isolated`",
        "shell --variant baseline --prepare proc_mem_write": "prepare the guest for an attack",
        "shell --gdb": "stop the machine until gdb continues it",
        "shell -- cat /proc/version": "run one command and return its exit status",
        "shell --copy mine.sh -- sh /tmp/mine.sh": "run a script of yours in the guest",
    },
)

# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness shell`: a root shell in a machine of a variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.brought.options import Brought
from harness.cli.chosen import chosen_kernel, corpus_with, own_variants
from harness.cli.command import Command
from harness.cli.declare import choice, option, switch
from harness.cli.options import (
    SHIPPED_VARIANTS,
    KernelOptions,
    engine_option,
    kernel_options,
    variant_files_option,
)
from harness.cli.output import say
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT = "isolated"


@dataclass(frozen=True)
class Options:
    """The options of `shell`."""

    variant: str | None = option(
        "--variant",
        convert=str,
        default=None,
        metavar="VARIANT",
        help=f"the variant to boot (default: {_DEFAULT}, or the first of your own); "
        f"{SHIPPED_VARIANTS}",
    )
    scenario: str | None = option(
        "--scenario",
        convert=str,
        default=None,
        metavar="NAME|FILE.py[::NAME]",
        help="prepare the machine as for this scenario, up to its attack (default: none)",
    )
    at: str | None = choice(
        "--at",
        choices=("before", "after"),
        default=None,
        help="open the shell before the attack of --scenario, or after it; `after` also makes the "
        "attack and prints its calls, and leaves out the aftermath (default: before)",
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
    variant_files: tuple[Path, ...] = variant_files_option()
    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Stay until the shell ends. Raises UserError."""
    from harness.engines import ENGINES
    from harness.judge.cells import check_variants
    from harness.lab.lab import Lab
    from harness.report.terminal import console, progress_line
    from harness.shell.boot import boot_shell
    from harness.shell.keyboard import check_terminal
    from harness.shell.session import (
        BEFORE,
        ShellTarget,
        check_applicable,
        chosen_scenario,
        run_shell,
    )

    corpus = corpus_with(Brought(), options.variant_files)
    variant = options.variant or (*own_variants(corpus), _DEFAULT)[0]
    check_variants(corpus, [variant], engine=options.engine)
    if options.at and not options.scenario:
        raise UserError("--at says where in a scenario", hint="name it with --scenario")
    if options.boot and options.scenario:
        raise UserError("a scenario starts from a machine that is up", hint="leave out --boot")
    scenario = None
    if options.scenario:
        corpus, scenario = chosen_scenario(corpus, options.scenario)
        check_applicable(scenario, corpus.variants[variant])
    check_terminal()
    kernel = chosen_kernel(options.kernel, corpus, [variant])
    with progress_line(console()) as progress:
        engine = ENGINES[options.engine]
        lab = Lab.open(
            kernel.line,
            [variant],
            progress=progress,
            choice=kernel.choice,
            engine=engine,
            corpus=corpus,
        )
    if options.boot:
        return boot_shell(lab, variant, gdb=options.gdb, say=say)
    target = ShellTarget(lab, variant, scenario, options.at or BEFORE)
    return run_shell(target, gdb=options.gdb, say=say)


COMMAND = Command(
    "shell",
    "open a root shell in a machine of a variant",
    "The handler is up and the witness runs, as before every attack.",
    Options,
    run,
)

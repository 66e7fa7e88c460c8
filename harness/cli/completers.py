# SPDX-License-Identifier: GPL-2.0-only
"""What completes a word on the command line, for argcomplete: the shell asks at each press of Tab.

The words are looked up only then. A run that cannot be read has no cells to offer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter, SuppressCompleter

from harness.host.errors import UserError
from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import kernel_lines
from harness.model.variants import VARIANTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, and exit. Return if no shell asks."""
    _prepare(parser)
    argcomplete.autocomplete(parser, always_complete_options="long")


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Give each argument of the parser and of its commands the function that completes it."""
    for action in parser._actions:
        names = (*action.option_strings, str(action.metavar))
        found = next((COMPLETERS[name] for name in names if name in COMPLETERS), None)
        if found is not None:
            action.completer = found  # type: ignore[attr-defined] # argcomplete looks for it
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                _prepare(command)


def _variants(**_: object) -> dict[str, str]:
    return {variant.name: variant.summary for variant in VARIANTS.values()}


def _scenarios(**_: object) -> dict[str, str]:
    from harness.scenarios import EVERY

    return {name: scenario.summary for name, scenario in EVERY.items()}


def _expression(prefix: str, **_: object) -> dict[str, str]:
    """Complete the last word of an expression by the names of scenarios and variants."""
    head = prefix[: len(prefix) - len(prefix.split(" ")[-1].lstrip("("))]
    return {f"{head}{name}": said for name, said in {**_scenarios(), **_variants()}.items()}


def _runs(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Iterable[str]:
    """Complete a run by the names below --results, or by the folders of a path."""
    if "/" in prefix:
        return DirectoriesCompleter()(prefix=prefix)
    return sorted(path.parent.name for path in _root(parsed_args).glob("*/run.json"))


def _cells(parsed_args: argparse.Namespace, **_: object) -> Iterable[str]:
    """Complete the id of a cell of the run that the words before it name."""
    from harness.results.recorded_run import read_run

    try:
        run = read_run(parsed_args.run, root=_root(parsed_args))
    except UserError:
        return ()
    return {cell.id: str(line.verdict) for cell, line in run.cells.items()}


def _root(parsed_args: argparse.Namespace) -> Path:
    return getattr(parsed_args, "results", None) or Path("results")


def _lines(**_: object) -> Iterable[str]:
    return kernel_lines(KERNEL_PATCHES)


def _defences(**_: object) -> Iterable[str]:
    from harness.studies.defences import DEFENCES

    return DEFENCES


COMPLETERS: Mapping[str, Callable[..., Iterable[str]]] = {
    "--prepare": _scenarios,
    "--without": _defences,
    "BZIMAGE": FilesCompleter(),
    "CELL": _cells,
    "DIR": DirectoriesCompleter(),
    "EXPR": _expression,
    "FILE.py": FilesCompleter(["py"]),
    "FILE.toml": FilesCompleter(["toml"]),
    "LINE": _lines,
    "I/N": SuppressCompleter(),
    "N": SuppressCompleter(),
    "NEW": _runs,
    "OLD": _runs,
    "RUN": _runs,
    "VARIANT": _variants,
}
"""By the name of an option, or by what an argument is called in the help. Others take files."""

# SPDX-License-Identifier: GPL-2.0-only
"""A campaign against a variant with a planted hole, from nothing but the types of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.main import main
from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

VARIANT = ("--variant-file", str(CHECKOUT / "tests/campaign/without-signals.toml"))


def search(results: Path, *words: str) -> list[Path]:
    """Search until something is found; return the folders of the findings.

    Fails unless the command's exit status says that a kernel thread is safe from one of them.
    """
    status = main(
        [
            *("campaign", *VARIANT, "--variant", "without-signals"),
            *("--findings", "1", "--results", str(results), *words),
        ]
    )
    assert status == 1, f"the campaign ended with {status}: the planted hole was not found"
    return sorted(results.glob("campaign-*/findings/*"))


def attack_again(found: Path, results: Path) -> int:
    """Run the finding's C program as an attack; return the exit status: 1, it wins again."""
    program = found / f"{found.name}.c"
    return main(
        [
            *("run", "--attack", str(program), "--effect", "availability"),
            *(*VARIANT, "--variant", "without-signals", "--results", str(results)),
        ]
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Why a cell is `n/a`: what its variant, its kernel or its engine lacks for the attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.kernel.build.renamed import has_function
from harness.lab.arrival import watched
from harness.model.attempt_end import End
from harness.scenarios.registry import unmet, version_in

if TYPE_CHECKING:
    from harness.engines.engine import Engine
    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario


@dataclass(frozen=True)
class Inapplicable:
    """The reason why a cell is not tried, and how its attack is then said to have ended."""

    reason: str
    end: End
    """NOT_TRIED where the scenario declares it, LACKING where the kernel or the engine does."""


def inapplicable(
    scenario: Scenario,
    variant: Variant,
    kernel: KernelImage,
    engine: Engine,
    *,
    is_foreign: bool,
) -> Inapplicable | None:
    """Why the scenario cannot be tried on the variant, None if nothing is known to be missing.

    `is_foreign`: the kernel is of the user's choice, and may lack functions that scenarios name.
    """
    if reason := scenario.lacking_on(variant):
        return Inapplicable(reason, End.NOT_TRIED)
    lacking = (
        lacks_of_engine(scenario, engine)
        or lacks_of_kernel(scenario, kernel)
        or _is_older(kernel, variant.since, what="the policy")
    )
    if is_foreign and not lacking:
        lacking = _lacks_functions(scenario, variant, kernel)
    return Inapplicable(lacking, End.LACKING) if lacking else None


def lacks_of_engine(scenario: Scenario, engine: Engine) -> str:
    """What the engine's guests lack for the attack; empty if nothing."""
    if scenario.freezes and engine.reached_by:
        return f"it also freezes {engine.reached_by}, by which the host reaches the attacker"
    if scenario.on_disk and not engine.has_disk:
        return "this guest has no file system on a disk; that of --engine image has"
    return ""


def lacks_of_kernel(scenario: Scenario, kernel: KernelImage) -> str:
    """What the kernel's version or options lack for the attack; empty if nothing."""
    if lacking := _is_older(kernel, scenario.since):
        return lacking
    if scenario.before and kernel.version >= version_in(scenario.before):
        return f"it needs Linux before {scenario.before}"
    missing = unmet(scenario.needs, kernel.options)
    return f"this kernel lacks {', '.join(missing)}" if missing else ""


def _is_older(kernel: KernelImage, since: str, what: str = "it") -> str:
    """Say that the kernel is older than the version `what` needs; empty if it is not."""
    is_older = since and kernel.version < version_in(since)
    return f"{what} needs Linux {since} or later" if is_older else ""


def _lacks_functions(scenario: Scenario, variant: Variant, kernel: KernelImage) -> str:
    """Which functions that prove an attack's arrival a foreign kernel lacks, empty if none.

    The shipped scenarios name functions of our lines: on those a missing one is an `error`. A
    user's scenario may misspell a name, so that its cell is tried, and ends in an `error`.
    """
    if scenario.origin:
        return ""
    missing = [name for name in watched(scenario, variant) if not has_function(kernel, name)]
    return f"this kernel has no function {' or '.join(missing)}" if missing else ""

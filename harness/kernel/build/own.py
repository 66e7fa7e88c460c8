# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's own, for whatever runs cells: built, and what it can be measured as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.host.paths import cache_dir
from harness.kernel.build.build import kernel_image
from harness.kernel.build.prebuilt import prebuilt_facts
from harness.kernel.build.support import supported
from harness.kernel.choice.choice import CHOSEN, KernelChoice, describe_parts, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.model.variants import Variant


def variants_of(
    choice: KernelChoice,
    variants: Mapping[str, Variant],
    asked: Sequence[str] = (),
    *,
    progress: Callable[[str], None],
) -> tuple[list[str], Mapping[str, str]]:
    """Build the kernel, if need be; return the variants it can be, and why it cannot be others.

    Raises UserError, also if one of those that were `asked` for is among the others.
    """
    CHOSEN[choice.name] = choice
    image = kernel_image(choice.name, progress=progress, choice=choice)
    return supported(image, variants, asked, is_prebuilt=choice.bzimage is not None)


def facts_of(choice: KernelChoice) -> dict[str, Any]:
    """Return what a run's header says of it: tree, patches and fragments, or the files."""
    if choice.bzimage is not None:
        return dict(prebuilt_facts(choice))
    return parts_of(choice, cache=cache_dir()).facts()


def description(choice: KernelChoice) -> str:
    """Say in a line what is built, or was. Raises UserError."""
    if choice.bzimage is not None:
        return f"{choice.bzimage}, as it is"
    return describe_parts(facts_of(choice))

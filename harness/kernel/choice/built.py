# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's choice, once built: the variants it supports, and its facts for a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.host.paths import cache_dir
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.kernel.build.prebuilt import prebuilt_facts
from harness.kernel.build.support import supported
from harness.kernel.choice.parts import describe_parts, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.variants import Variant


def variants_of(
    choice: KernelChoice,
    variants: Mapping[str, Variant],
    asked: Sequence[str] = (),
    *,
    progress: Callable[[str], None],
) -> tuple[list[str], Mapping[str, str], Sequence[str]]:
    """Build the kernel, or find it built.

    Return the variants that it supports, for each other variant the reason why not, and what was
    merged or left out where patches did not apply. Raises UserError, also if it does not support
    a variant that was `asked` for.
    """
    image = kernel_image(BuildRequest(choice.name, choice=choice), progress=progress)
    is_prebuilt = choice.bzimage is not None
    return *supported(image, variants, asked, is_prebuilt=is_prebuilt), image.merged


def facts_of(choice: KernelChoice, merged: Sequence[str] = ()) -> dict[str, Any]:
    """Return the choice for a run's header: tree, patches and fragments, or the kernel's files.

    `merged` says what was merged or left out where patches did not apply.
    """
    if choice.bzimage is not None:
        return dict(prebuilt_facts(choice))
    return {**parts_of(choice, cache=cache_dir()).facts(), "merged": list(merged)}


def description(choice: KernelChoice) -> str:
    """Describe in one line what the kernel is built from. Raises UserError."""
    if choice.bzimage is not None:
        return f"{choice.bzimage}, as it is"
    return describe_parts(facts_of(choice))

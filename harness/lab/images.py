# SPDX-License-Identifier: GPL-2.0-only
"""What the machines of a kernel line boot: a kernel and a userspace for each configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.guests.initramfs import GuestImage, guest_image
from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.scenarios.registry import unmet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.kernel.build.images import KernelImage
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.variants import Variant


@dataclass(frozen=True)
class BootImages:
    """What a machine boots: a kernel, and the userspace made for it."""

    kernel: KernelImage
    guest: GuestImage


def boot_images(
    line: str,
    variants: Sequence[Variant],
    *,
    step: int | None,
    choice: KernelChoice | None,
    progress: Callable[[str], None],
) -> dict[str, BootImages]:
    """Find or build the images of the line itself, "", and of each flavour that the variants need.

    `step` and `choice` are those of `kernel_image`. A step may lack options of a variant, whose
    policy then does nothing. Raises UserError.
    """
    found = {}
    # The line's own come first: the other builds start from its objects.
    for flavour in sorted({"", *(variant.flavour for variant in variants)}):
        request = BuildRequest(line, flavour=flavour, step=step, choice=choice)
        kernel = kernel_image(request, progress=progress)
        if step is None:
            check_needs(kernel, (variant for variant in variants if variant.flavour == flavour))
        found[flavour] = BootImages(kernel, guest_image(kernel, progress=progress))
    return found


def plain_images(line: str, *, is_stock: bool, progress: Callable[[str], None]) -> BootImages:
    """Find or build a line's kernel without the witness: with our series, or the stock one.

    Both have the same options, as far as there are such. Raises UserError.
    """
    request = BuildRequest(line, step=0 if is_stock else None, has_witness=False)
    kernel = kernel_image(request, progress=progress)
    return BootImages(kernel, guest_image(kernel, progress=progress))


def check_needs(kernel: KernelImage, variants: Iterable[Variant]) -> None:
    """Raise UserError for a variant whose options the kernel lacks: its policy would be missing."""
    for variant in variants:
        if missing := unmet(variant.needs, kernel.options):
            raise UserError(
                f"{variant.name}: this kernel has no CONFIG_{missing[0]}",
                hint="bring one that has it: --tree, --patches, --config",
            )

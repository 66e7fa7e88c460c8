# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness build`: the kernel images and guest images of all variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.chosen import chosen_kernel
from harness.cli.command import Command
from harness.cli.options import KernelOptions, kernel_options
from harness.cli.output import say

if TYPE_CHECKING:
    from harness.results.run_header import FlavourImages, Provenance


@dataclass(frozen=True)
class Options:
    """The options of `build`."""

    kernel: KernelOptions = kernel_options()


def run(options: Options) -> int:
    """Build what is not in the cache, and print the keys of the images. Raises UserError."""
    from harness.report.terminal import console, progress_line
    from harness.scenarios.corpus import SHIPPED

    kernel = chosen_kernel(options.kernel, SHIPPED)
    with (
        progress_line(console()) as progress,
        kernel.prepare_lab(kernel.line, kernel.variants or SHIPPED.variants, progress) as opened,
    ):
        facts = opened.facts
    say(_images(facts, kernel.line))
    for flavour, images in facts.flavours.items():
        say(_images(images, f"{kernel.line}, flavour {flavour}"))
    return 0


def _images(facts: Provenance | FlavourImages, name: str) -> str:
    return f"kernel image {facts.image[:12]} of {name}, guest {facts.guest_image[:12]}"


COMMAND = Command(
    "build",
    "build the kernel and guest images of all variants",
    "An image that is in the cache is not built again.",
    Options,
    run,
    examples={
        "build": "build all that `run` needs on the default kernel line",
        "build --line 6.1": "build for another kernel line",
        "build --tree ~/src/linux --config mine.config": "build a tree with options of yours",
    },
)

# SPDX-License-Identifier: GPL-2.0-only
"""The variants that a kernel image supports, and for each other variant what the image lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.kernel.build.images import KernelImage
    from harness.model.variants import Variant

ISOLATION = "SECURITY_UMD"
DEBUGGING = "SECURITY_UMD_DEBUG"
PARAMETER = "umd_isolation_setup"
"""The function that reads `umd_isolation=`. A kernel has it only with the witness's option."""

CHOICE = "umd_only_setup"
"""The function that reads `umd_only=`, which chooses among the defences."""

_VALUE = re.compile(r"\bumd_isolation=(\S+)")


def lacks(kernel: KernelImage, variant: Variant) -> str:
    """Return what the kernel lacks for the variant; empty if it supports the variant."""
    asked = _VALUE.search(variant.cmdline)
    value = asked[1] if asked else "off"
    if ISOLATION not in kernel.options:
        if value != "off":
            return f"this kernel has no isolation of ours (CONFIG_{ISOLATION})"
    elif PARAMETER not in kernel.symbols and value != "on" and not variant.is_thread:
        return "this kernel always isolates: it has no parameter umd_isolation="
    if "umd_only=" in variant.cmdline and CHOICE not in kernel.symbols:
        return "this kernel has no parameter umd_only="
    if variant.rival and variant.rival.option not in kernel.options:
        return f"this kernel has no CONFIG_{variant.rival.option}"
    if DEBUGGING in kernel.options and value == "on" and not variant.debug:
        return f"this kernel lets handlers be debugged (CONFIG_{DEBUGGING})"
    if missing := [name for name in variant.needs if name not in kernel.options]:
        return f"this kernel has no CONFIG_{missing[0]}"
    if variant.debug and f"CONFIG_{DEBUGGING}" not in kernel.config.read_text():
        return f"this kernel has no CONFIG_{DEBUGGING}"
    return ""


def supported(
    kernel: KernelImage,
    variants: Mapping[str, Variant],
    asked: Sequence[str] = (),
    *,
    is_prebuilt: bool = False,
) -> tuple[list[str], Mapping[str, str]]:
    """Return the variants that the kernel supports, and the reason for each that it does not.

    With `asked`, only these are returned. Raises UserError if the kernel does not support one of
    them. `is_prebuilt`: the kernel has one configuration, and no flavour of it can be built.
    """
    missing = {name: lacks(kernel, variant) for name, variant in variants.items()}
    for name in variants if is_prebuilt else ():
        if variants[name].flavour and not missing[name]:
            missing[name] = "a kernel that is already built has one configuration"
    for name in asked:
        if missing.get(name):
            able = ", ".join(name for name, why in missing.items() if not why)
            raise UserError(f"{name}: {missing[name]}", hint=f"it can be {able}")
    there = [name for name in variants if not missing[name] and (not asked or name in asked)]
    return there, {name: why for name, why in missing.items() if why}

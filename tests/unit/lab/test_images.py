# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel has what makes it the policy of a variant."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from boot_images import boot_images

from harness.host.errors import UserError
from harness.lab.images import check_needs
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path


def test_a_kernel_without_what_a_variant_needs_is_refused(tmp_path: Path) -> None:
    kernel = boot_images(tmp_path, "SECURITY_SMACK").kernel
    for needs, refused in ((("SECURITY_SMACK",), False), (("SECURITY_MINE",), True)):
        variant = replace(SHIPPED.variants["baseline"], name="mine", needs=needs)
        told = pytest.raises(UserError, match="mine: this kernel has no CONFIG_SECURITY_MINE")
        with told if refused else nullcontext():
            check_needs(kernel, [variant])

# SPDX-License-Identifier: GPL-2.0-only
"""A kernel without the library, and a guest image that does not fit: one line, no endless boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness_process import Place, place

from harness.cache.integrity import seal

if TYPE_CHECKING:
    from harness.lab.lab import Lab

__all__ = ["place"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)


def test_a_kernel_without_the_library(place: Place, lab: Lab) -> None:
    image = place.own("images", lab.image.key)
    symbols = image / "System.map"
    lines = symbols.read_text().splitlines(keepends=True)
    symbols.write_text("".join(line for line in lines if "umd_" not in line))
    seal(image)  # it was built so
    told = place.run().told()
    assert f"the kernel image {lab.image.key[:12]} has no symbol umd_witness_tally; " in told
    header, verdicts = place.kept()
    assert (header["exit_status"], verdicts) == (2, {})
    assert "umd_witness_tally" in header["error"]
    assert not place.left()


def test_an_initramfs_that_is_too_large_for_the_machine(place: Place, lab: Lab) -> None:
    """The kernel skips zeros between archives; this one is all there."""
    guest = place.own("guests", lab.guest.key)
    initramfs = guest / "initramfs.cpio"
    initramfs.write_bytes(bytes(120 << 20) + initramfs.read_bytes())
    seal(guest)  # it was built so
    told = place.run().told()
    assert f"the initramfs {initramfs}" in told
    assert "too large for a machine with 256 MiB" in told
    header, verdicts = place.kept()
    assert (header["exit_status"], verdicts) == (2, {})
    assert not place.left()

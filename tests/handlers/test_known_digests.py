# SPDX-License-Identifier: GPL-2.0-only
"""The kernel knows the digests of the files in packages that rpmbuild makes, and no other."""

from __future__ import annotations

from errno import ENOENT
from typing import TYPE_CHECKING

import pytest
from parsing_lab import lab_with
from rpm_packages import build_package

from harness.attacker import GuestError
from harness.attacker.tools.packages import add_package, ask_digest
from harness.guests.vendor import signed
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.model.handlers import RPM

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attacker import Attacker
    from harness.lab.lab import Lab


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses packages."""
    return lab_with(RPM, kernel_line)


@pytest.mark.parametrize("variant", ["baseline", "isolated", "kthread"], indirect=True)
@pytest.mark.parametrize("name", ["sha256", "sha512", "config"])
def test_the_kernel_knows_the_digests_that_rpm_prints(
    attacker: Attacker, tmp_path: Path, name: str
) -> None:
    """The header of `sha512` has 300 files."""
    package = build_package(name, tmp_path)
    digests = {digest.encode() for digest in package.digests if digest}
    add_package(attacker, signed(signing_key(cache_dir()), package.header))
    for digest in sorted(digests):
        ask_digest(attacker, digest)
        with pytest.raises(GuestError) as refused:
            ask_digest(attacker, digest[::-1])
        assert refused.value.errno == ENOENT
    assert digests

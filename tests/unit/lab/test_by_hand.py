# SPDX-License-Identifier: GPL-2.0-only
"""What makes machines for tests by hand, as far as it goes without one."""

from __future__ import annotations

import pytest

from harness.host.errors import UserError
from harness.lab.by_hand import Labs, guests


def test_a_variant_that_is_none_is_told_before_anything_is_built() -> None:
    with guests() as make, pytest.raises(UserError, match="there is no variant 'isolatde'"):
        make("isolatde")


def test_the_labs_boot_by_their_engine() -> None:
    refused = "--engine virtme does not load the policy of smack"
    with guests(Labs(engine="virtme")) as make, pytest.raises(UserError, match=refused):
        make("smack")

# SPDX-License-Identifier: GPL-2.0-only
"""What makes machines for tests by hand, as far as it goes without one."""

from __future__ import annotations

import pytest

from harness.host.errors import UserError
from harness.lab.by_hand import guests


def test_a_variant_that_is_none_is_told_before_anything_is_built() -> None:
    with guests() as make, pytest.raises(UserError, match="there is no variant 'isolatde'"):
        make("isolatde")

# SPDX-License-Identifier: GPL-2.0-only
"""What the host's account of an attack takes for fixed."""

from __future__ import annotations

from unittest.mock import DEFAULT, Mock, patch

import pytest

from harness.lab.account import Account
from harness.model.variants import VARIANTS


@pytest.mark.parametrize(
    ("variant", "without", "fixed"),
    [
        ("isolated", (), True),
        ("isolated", ("access",), True),
        ("isolated", ("access", "pages"), False),
        ("baseline", (), False),
        ("proposal", (), False),
    ],
)
def test_a_handler_s_pages_are_fixed_where_the_defence_is_on(
    variant: str, without: tuple[str, ...], fixed: bool
) -> None:
    names = ("HandlerAtRest", "KernelAtRest", "kernel_calls")
    with patch.multiple("harness.lab.account", **dict.fromkeys(names, DEFAULT)) as parts:
        Account(Mock(), Mock(), VARIANTS[variant], Mock(), Mock(), without=without)
    assert parts["HandlerAtRest"].call_args.kwargs == {"fixed": fixed}

# SPDX-License-Identifier: GPL-2.0-only
"""What the host's account of an attack takes for fixed."""

from __future__ import annotations

from unittest.mock import DEFAULT, MagicMock, Mock, patch

import pytest
from tallies import AFTER, evidence

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


def test_what_the_host_did_to_the_machine_is_in_the_evidence() -> None:
    witness, names = MagicMock(), ("HandlerAtRest", "KernelAtRest", "kernel_calls")
    witness.heartbeat = Mock(stalled=0.25, delay=3.5)
    with patch.multiple("harness.lab.account", **dict.fromkeys(names, DEFAULT)):
        account = Account(Mock(), Mock(), VARIANTS["baseline"], witness, Mock())
        concluded = account.concluded(evidence(), AFTER, ended=False)
    assert (concluded.stalled, concluded.delay) == (0.25, 3.5)

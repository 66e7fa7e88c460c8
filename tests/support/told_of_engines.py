# SPDX-License-Identifier: GPL-2.0-only
"""What SECURITY.md says that each engine's guests reach, held against the machines they boot."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from harness.vm.spec import MachineSpec

_ROW = re.compile(r"^\| `(\w+)`[^|]* \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def told() -> dict[str, tuple[str, str]]:
    """What each engine's guests reach, by the table: of a network, of the host's folders."""
    return {
        name: (network, folders)
        for name, network, folders in _ROW.findall((CHECKOUT / "SECURITY.md").read_text())
    }


def check_told(engine: str, spec: MachineSpec) -> None:
    """Raise AssertionError unless the machine has what the table says, and nothing else."""
    words = spec.arguments()
    network, folders = told()[engine]
    cards = [words[place + 1] for place, word in enumerate(words) if word == "-netdev"]
    shares = [words[place + 1] for place, word in enumerate(words) if word == "-fsdev"]
    assert ("-nic", "none") in pairwise(words), "QEMU adds no card by itself"
    assert not {"-virtfs", "-net"} & set(words)
    assert bool(cards) == (network != "none")
    assert all({"user", "restrict=on"} <= set(card.split(",")) for card in cards)
    assert bool(shares) == (folders != "none")
    assert all("readonly=on" in share.split(",") for share in shares)
    assert bool(shares) == ("read-only" in folders)

# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on a rival's policy: root detaches the BPF programs that are the policy.

Each of them ends in an attack of the corpus. The control is `baseline`, where there is no policy:
it shows that the second half works.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.bpf import BPFFS
from harness.model.variants import BPF_LSM
from harness.model.verdict import Effect
from harness.scenarios.direct import proc_mem_write
from harness.scenarios.registry import PTRACE_CHECK, scenario
from harness.scenarios.rivals import asleep

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MNT_DETACH = 2
BPF_LINK_GET_FD_BY_ID, BPF_LINK_DETACH = 30, 34
_ATTR = 128
"""The size of union bpf_attr, as far as these commands use it."""
_IDS = range(1, 65)
"""More ids than the policy has links."""

_detach = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="bpf-lsm-switched-off",
    answers=("C5", "L5"),
    reach=PTRACE_CHECK,
    needs=("BPF_LSM",),
    not_applicable=asleep(BPF_LSM, "no policy of BPF programs is loaded"),
)


@_detach()
def bpf_lsm_unpin(attacker: Attacker, handler: Handler) -> None:
    """Remove the policy's pins, unmount their bpffs, then overwrite the handler's state."""
    with suppress(GuestError):
        for name in attacker.listdir(BPFFS):
            with suppress(GuestError):
                attacker.syscall("unlink", f"{BPFFS}/{name}")
    with suppress(GuestError):
        attacker.syscall("umount2", BPFFS, MNT_DETACH)
    proc_mem_write(attacker, handler)


@_detach()
def bpf_lsm_detach(attacker: Attacker, handler: Handler) -> None:
    """Detach the policy's links by bpf(2), then overwrite the handler's state."""
    for number in _IDS:
        with suppress(GuestError):
            link = _bpf(attacker, BPF_LINK_GET_FD_BY_ID, number)
            _bpf(attacker, BPF_LINK_DETACH, link)
    proc_mem_write(attacker, handler)


def _bpf(attacker: Attacker, command: int, number: int) -> int:
    """Call bpf(2) about an id or a file descriptor."""
    return attacker.syscall("bpf", command, number.to_bytes(_ATTR, "little"), _ATTR)

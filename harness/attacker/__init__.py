# SPDX-License-Identifier: GPL-2.0-only
"""The attacker: root in the guest, whose system calls read as local ones.

Every byte that comes back may be forged. Nothing here hangs, allocates more than a call
asked for, or fails on such bytes with anything but `VmLost`.
"""

from harness.attacker.agent.attacker import Attacker
from harness.attacker.agent.attempt import Attempt, Call
from harness.attacker.agent.channel import Channel
from harness.attacker.agent.errors import GuestError, SetupFailed, ShortTransfer
from harness.attacker.agent.files import File
from harness.attacker.agent.tracee import Tracee

__all__ = [
    "Attacker",
    "Attempt",
    "Call",
    "Channel",
    "File",
    "GuestError",
    "SetupFailed",
    "ShortTransfer",
    "Tracee",
]

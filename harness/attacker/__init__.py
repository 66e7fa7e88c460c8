# SPDX-License-Identifier: GPL-2.0-only
"""The attacker: root in the guest, whose system calls read as local ones.

Every byte that comes back may be forged. Nothing here hangs, allocates more than a call
asked for, or fails on such bytes with anything but `VmLost`.
"""

from harness.attacker.attacker import Attacker
from harness.attacker.attempt import Attempt, Call
from harness.attacker.channel import Channel
from harness.attacker.errors import GuestError, SetupFailed, ShortTransfer
from harness.attacker.files import File
from harness.attacker.tracee import Tracee

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

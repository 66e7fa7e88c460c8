# SPDX-License-Identifier: GPL-2.0-only
"""The attacker: root in the guest, whose system calls are methods on the host.

The guest may forge every byte that it returns. Whatever it returns, this package does not hang,
does not allocate more than a call asked for, and raises no exception but
`harness.host.errors.VmLost`.
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

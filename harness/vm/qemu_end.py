# SPDX-License-Identifier: GPL-2.0-only
"""The reason why a QEMU has ended, for the error that reports its machine as lost."""

from __future__ import annotations

import re
from signal import SIGABRT, SIGSEGV
from typing import TYPE_CHECKING

from harness.host.errors import QemuCrashed, VmLost
from harness.vm.process import signal_name

if TYPE_CHECKING:
    from harness.vm.monitor import Monitor
    from harness.vm.process import Process

ENDING_SECONDS = 5.0
"""How long to wait for QEMU's end after one of its sockets has hung up."""

_CAUSES = {"guest-reset": "the guest reset itself", "guest-shutdown": "the guest powered off"}
_CRASHES = (SIGABRT, SIGSEGV)
_PANIC = re.compile(r"Kernel panic - not syncing.{0,200}")


def qemu_end(process: Process, monitor: Monitor) -> VmLost | None:
    """Return a VmLost that tells how QEMU ended, None if it still runs.

    Its cause is the guest if QEMU reports that the guest reset or powered off the machine; a crash
    of QEMU is a QemuCrashed.
    """
    status = process.status(seconds=ENDING_SECONDS)
    if status is None:
        return None
    reason = monitor.shutdown_reason()
    if status == 0 and reason in _CAUSES:
        # The guest could have forged the panic's text, but no verdict depends on it.
        panic = _PANIC.findall(process.console())
        return VmLost(": ".join([_CAUSES[reason], *panic[-1:]]), by_guest=True)
    ended = f"ended with {status}" if status >= 0 else f"was killed by {signal_name(status)}"
    said = ": ".join(filter(None, (f"QEMU {ended}", reason, process.last_words())))
    return (QemuCrashed if -status in _CRASHES else VmLost)(said)

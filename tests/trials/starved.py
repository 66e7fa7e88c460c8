# SPDX-License-Identifier: GPL-2.0-only
"""An attack by a real-time task on one of two CPUs. Pages stay in a batch of this CPU."""

from __future__ import annotations

from os import O_WRONLY, SCHED_FIFO
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.tools.pagemap import PAGE
from harness.model.verdict import Effect
from harness.scenarios.caller import PAUSE
from harness.scenarios.holes import NO_BLOB
from harness.scenarios.poison import HARD_OFFLINE
from harness.scenarios.registry import scenario
from harness.scenarios.restarts import MODPROBE
from harness.scenarios.scheduling import take_second_cpu

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

HOG = "/tmp/hog_pid"  # noqa: S108 - the guest's, not ours


def load_on_starved_cpu(attacker: Attacker, handler: Handler) -> None:
    """Load the blob by a process on CPU 1, where nothing puts its pages on the LRU lists."""
    modprobe = attacker.read_file(MODPROBE)
    told, go = attacker.pipe()
    said, writer = attacker.pipe()
    with told, writer:
        path = f"/lib/modules/{handler.loader}.ko"
        loader = attacker.spawn(
            attacker.payload("reload"), handler.loader, path, stdin=told.fd, stdout=writer.fd
        )
    attacker.sched_setaffinity(loader, {1})
    attacker.sched_setscheduler(loader, SCHED_FIFO, 2)
    hog = take_second_cpu(attacker)
    attacker.write_file(HOG, str(hog).encode(), mode=0o600)
    attacker.write_file(MODPROBE, b"/none")  # or another process may load it
    go.write(b"1")
    said.read(1)
    attacker.write_file(MODPROBE, modprobe)
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="image",
    surface="hwpoison-soft-offline",
    answers=("T15", "L5"),
    cpus=2,
    reach="memory_failure",
    target="system",
    needs=("MEMORY_FAILURE",),
    prepare=load_on_starved_cpu,
    not_applicable=NO_BLOB,
)
def hard_offline_unlisted(attacker: Attacker, handler: Handler) -> None:
    """Hard-offline a page of the blob that is on no LRU list yet. No handler starts.

    The kernel does not see whose page it is. It marks the page as bad, and waits for the CPU that
    has the page in a batch. A real-time task keeps this CPU busy, and the mark stays for a while.
    """
    hog = int(attacker.read_file(HOG))
    frame = handler.physical("_start") // PAGE
    with attacker.open(HARD_OFFLINE, O_WRONLY) as file:
        poisoner = attacker.spawn("/bin/busybox", "echo", hex(frame * PAGE), stdout=file.fd)
    attacker.syscall("nanosleep", PAUSE, 0)
    handler.restart()
    attacker.kill(hog, SIGKILL)
    attacker.waitpid(poisoner)

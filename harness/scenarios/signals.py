# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the handler's life by signals, on each path that a signal has to a process."""

from __future__ import annotations

from errno import EPERM
from fcntl import F_SETFL, F_SETOWN, F_SETSIG
from functools import partial
from os import O_ASYNC
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler


_kill = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="kill-family",
    answers=("C10", "L6"),
    refused=(EPERM,),
    reach="security_task_kill",
)


@_kill(
    call="kill",
)
def kill_family(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler, then stop the one that replaces it."""
    attacker.kill(handler.pid, SIGKILL)
    handler.wait_for_request()
    attacker.kill(handler.pid, SIGSTOP)


@_kill(
    call="tgkill",
)
def tgkill(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler by its thread, which has a path of its own to the permission check."""
    pid = handler.pid
    attacker.tgkill(pid, pid, SIGKILL)
    handler.wait_for_request()


@_kill(
    call="pidfd_send_signal",
)
def pidfd_send_signal(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler through a pidfd, which stays this process's whatever becomes of its pid."""
    with attacker.pidfd_open(handler.pid) as pidfd:
        attacker.pidfd_send_signal(pidfd.fd, SIGKILL)
        handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="sigio-setown",
    answers=("C10", "L5"),
    reach="security_file_send_sigiotask",
)
def sigio_setown(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel kill the handler: as the owner of a pipe that has become readable."""
    with attacker.setup():
        reader, writer = attacker.pipe()
    attacker.fcntl(reader.fd, F_SETOWN, handler.pid)
    attacker.fcntl(reader.fd, F_SETSIG, SIGKILL)
    attacker.fcntl(reader.fd, F_SETFL, O_ASYNC)
    writer.write(b"x")
    handler.wait_for_request()

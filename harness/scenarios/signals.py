# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the handler's life by signals, on each path that a signal has to a process."""

from __future__ import annotations

import struct
import time
from errno import EINVAL, EPERM
from fcntl import F_SETFL, F_SETOWN, F_SETSIG
from functools import partial
from os import O_ASYNC, O_NOCTTY, O_RDWR, O_WRONLY
from signal import SIGKILL, SIGSTOP
from termios import TIOCSPGRP
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.helper import start_as_helper
from harness.attacker.tools.signals import event_to, queued
from harness.model.verdict import Effect
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

TIOCSPTLCK = 0x40045431  # include/uapi/asm-generic/ioctls.h
INTERRUPT = b"\x03"


_kill = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="kill-family",
    answers=("C10", "L6"),
    refused=(EPERM,),
    reach="security_task_kill",
)


_by_program = scenario(
    effect=Effect.AVAILABILITY,
    surface="kill-family",
    answers=("C10", "L6"),
    reach="security_task_kill",
)


def end_everyone(attacker: Attacker, handler: Handler, *key: str) -> None:
    """Have a program end everybody, the agent as well; there is none when this returns."""
    attacker.spawn(attacker.payload("end_everyone"), *key)
    handler.wait_for_arrival()
    handler.wait_for_request()


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


@_kill(
    call="rt_sigqueueinfo",
)
def rt_sigqueueinfo(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler with a signal that root says all about itself, its sender too."""
    attacker.syscall("rt_sigqueueinfo", handler.pid, SIGKILL, queued(SIGKILL))
    handler.wait_for_request()


@_kill(
    call="rt_tgsigqueueinfo",
)
def rt_tgsigqueueinfo(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler by its thread, with a signal that root says all about."""
    pid = handler.pid
    attacker.syscall("rt_tgsigqueueinfo", pid, pid, SIGKILL, queued(SIGKILL))
    handler.wait_for_request()


@_by_program
def kill_everyone(attacker: Attacker, handler: Handler) -> None:
    """Kill all processes at once, without naming one."""
    end_everyone(attacker, handler)


@_by_program
def kill_own_group(attacker: Attacker, handler: Handler) -> None:
    """Kill all of a process group, from within: the kernel's own, number 0.

    What the kernel starts for root is in it, as nobody there calls setsid(2).
    """
    with attacker.setup():
        lead_session(attacker)
    start_as_helper(attacker, attacker.payload("kill_group"))
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


SYSRQ = "/proc/sysrq-trigger"
CAD_PID = "/proc/sys/kernel/cad_pid"
POWER_SIGNAL = "/sys/module/tiny_power_button/parameters/power_signal"
PRESSES = "/sys/firmware/acpi/interrupts/ff_pwr_btn"
PRESS_SECONDS = 5.0


@scenario(
    effect=Effect.AVAILABILITY,
    surface="acpi-tiny-power-button",
    answers=("T15", "C10"),
    needs=("ACPI_TINY_POWER_BUTTON",),
    reach="pid_vnr",
)
def power_button(attacker: Attacker, handler: Handler) -> None:
    """Have the power button kill the handler in place of telling init, and press it."""
    attacker.write_file(CAD_PID, str(handler.pid).encode())
    attacker.write_file(POWER_SIGNAL, str(int(SIGKILL)).encode())
    with attacker.setup():
        attacker.read_file(CAD_PID)  # the kernel looks at whose it is now
        before = attacker.read_file(PRESSES)
    handler.press_power_button()
    deadline = time.monotonic() + PRESS_SECONDS
    while attacker.read_file(PRESSES) == before:
        if time.monotonic() > deadline:
            raise TimeoutError("the kernel saw no press of the power button")
    handler.wait_for_request()


_by_sysrq = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="sysrq-e-sysrq-i",
    answers=("T15", "C10"),
    target="system",
)


def press_sysrq(attacker: Attacker, handler: Handler, key: str) -> None:
    """Press a sysrq key that ends the agent as well; there is none when this returns."""
    attacker.open(SYSRQ, O_WRONLY).close()  # as the payload will: here its errno is told
    end_everyone(attacker, handler, key)


@_by_sysrq(
    reach="sysrq_handle_term",
)
def sysrq_terminate(attacker: Attacker, handler: Handler) -> None:
    """Terminate all processes but init, the attacker's own too, by a sysrq key."""
    press_sysrq(attacker, handler, "e")


@_by_sysrq(
    reach="sysrq_handle_kill",
)
def sysrq_kill(attacker: Attacker, handler: Handler) -> None:
    """Kill all processes but init, the attacker's own too, by a sysrq key."""
    press_sysrq(attacker, handler, "i")


def lead_session(attacker: Attacker) -> None:
    """setsid(2), unless the agent has a session already, as sshd gives it one."""
    try:
        attacker.syscall("setsid")
    except GuestError as error:
        if error.errno != EPERM:
            raise


@scenario(
    effect=Effect.AVAILABILITY,
    surface="tty-sak-hup-jobctl",
    answers=("T15", "C10"),
    reach="group_send_sig_info",
)
def orphaned_group(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel hang up the process group that it started the handler in, as orphaned.

    That group has number 0. The attacker, who has left it like any init does, has a helper
    started in it. Once nobody in a group has a parent in another one and somebody in it is
    stopped, all of it get a SIGHUP.
    """
    with attacker.setup():
        lead_session(attacker)
    start_as_helper(attacker, attacker.payload("orphan"))
    handler.wait_for_request()


@scenario(
    effect=Effect.NONE,
    surface="tty-sak-hup-jobctl",
    answers=("L5",),
    call="ioctl",
    refused=(EPERM,),
    reach="pid_task",
)
def terminal_foreground(attacker: Attacker, handler: Handler) -> None:
    """Make the handler a terminal's foreground job, and interrupt that: it has another session."""
    with attacker.setup():
        lead_session(attacker)
        if "pts" not in attacker.listdir("/dev"):
            attacker.mkdir("/dev/pts")
        attacker.mount("none", "/dev/pts", "devpts")
        master = attacker.open("/dev/pts/ptmx", O_RDWR | O_NOCTTY)
        attacker.syscall("ioctl", master.fd, TIOCSPTLCK, struct.pack("<i", 0))
        terminal = attacker.open("/dev/pts/0", O_RDWR)
    attacker.syscall("ioctl", terminal.fd, TIOCSPGRP, struct.pack("<i", handler.pid))
    master.write(INTERRUPT)


@scenario(
    effect=Effect.NONE,
    surface="self-only-senders",
    answers=("L5",),
    call="timer_create",
    refused=(EINVAL,),
    reach="pid_task",
)
def timer_for_other(attacker: Attacker, handler: Handler) -> None:
    """Have a timer signal the handler when it runs out: it may signal its own process alone."""
    event = event_to(handler.pid, SIGKILL)
    attacker.syscall("timer_create", time.CLOCK_MONOTONIC, event, bytearray(4))

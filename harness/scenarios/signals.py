# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by signals, on each path by which a signal gets to a process."""

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
from harness.attacker.tools.signals import event_to, queued
from harness.attacker.tools.usermode_helper import start_as_helper
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
    """Have a payload end all processes. The agent has ended too when this returns."""
    attacker.spawn(attacker.payload("end_everyone"), *key)
    handler.wait_for_arrival()
    handler.wait_for_request()


@_kill(
    call="kill",
)
def kill_family(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the handler by kill(2), and SIGSTOP to the handler that replaces it."""
    attacker.kill(handler.pid, SIGKILL)
    handler.wait_for_request()
    attacker.kill(handler.pid, SIGSTOP)


@_kill(
    call="tgkill",
)
def tgkill(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the handler by tgkill(2), which has its own path to the permission check."""
    pid = handler.pid
    attacker.tgkill(pid, pid, SIGKILL)
    handler.wait_for_request()


@_kill(
    call="pidfd_send_signal",
)
def pidfd_send_signal(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the handler by pidfd_send_signal(2)."""
    with attacker.pidfd_open(handler.pid) as pidfd:
        attacker.pidfd_send_signal(pidfd.fd, SIGKILL)
        handler.wait_for_request()


@_kill(
    call="rt_sigqueueinfo",
)
def rt_sigqueueinfo(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the handler by rt_sigqueueinfo(2), with a siginfo of the attacker's."""
    attacker.syscall("rt_sigqueueinfo", handler.pid, SIGKILL, queued(SIGKILL))
    handler.wait_for_request()


@_kill(
    call="rt_tgsigqueueinfo",
)
def rt_tgsigqueueinfo(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the handler by rt_tgsigqueueinfo(2), with a siginfo of the attacker's."""
    pid = handler.pid
    attacker.syscall("rt_tgsigqueueinfo", pid, pid, SIGKILL, queued(SIGKILL))
    handler.wait_for_request()


@_by_program
def kill_everyone(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to all processes by kill(-1)."""
    end_everyone(attacker, handler)


@_by_program
def kill_own_group(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to process group 0, the kernel's, from a usermode helper in that group.

    All that the kernel starts for root is in that group, because none of it calls setsid(2).
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
    """Make the handler the owner of a pipe, with SIGKILL as its signal (F_SETOWN, F_SETSIG)."""
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
    """Set cad_pid to the handler and press the power button, whose signal is SIGKILL."""
    attacker.write_file(CAD_PID, str(handler.pid).encode())
    attacker.write_file(POWER_SIGNAL, str(int(SIGKILL)).encode())
    with attacker.setup():
        attacker.read_file(CAD_PID)  # makes the kernel call pid_vnr() on the handler's pid
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
    """Press a sysrq key that ends all processes. The agent has ended too when this returns."""
    attacker.open(SYSRQ, O_WRONLY).close()  # the payload opens it as well, without an errno
    end_everyone(attacker, handler, key)


@_by_sysrq(
    reach="sysrq_handle_term",
)
def sysrq_terminate(attacker: Attacker, handler: Handler) -> None:
    """Send SIGTERM to all processes but init by sysrq-e."""
    press_sysrq(attacker, handler, "e")


@_by_sysrq(
    reach="sysrq_handle_kill",
)
def sysrq_kill(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to all processes but init by sysrq-i."""
    press_sysrq(attacker, handler, "i")


def lead_session(attacker: Attacker) -> None:
    """Call setsid(2), unless the agent leads a session already, as under sshd."""
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
    """Orphan process group 0, which the handler is in, with a stopped member. It gets SIGHUP.

    The attacker has left that group, like any init, and has a helper started in it. The kernel
    sends SIGHUP to a whole group when none of its members has a parent in another group and one
    member is stopped.
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
    """Make the handler a terminal's foreground job and send ^C. It is in another session."""
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
    """Create a timer that signals the handler. timer_create(2) refuses other processes."""
    event = event_to(handler.pid, SIGKILL)
    attacker.syscall("timer_create", time.CLOCK_MONOTONIC, event, bytearray(4))

# SPDX-License-Identifier: GPL-2.0-only
"""Structures about signals that this host's kernel accepts."""

from __future__ import annotations

import os
import struct
import time
from errno import EINVAL
from signal import SIGKILL, SIGUSR1
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.attacker.tools.signals import event_to, queued

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_queued_signal_arrives(attacker: Attacker) -> None:
    child = attacker.fork()
    attacker.syscall("rt_sigqueueinfo", child, SIGKILL, queued(SIGKILL))
    assert os.WTERMSIG(attacker.waitpid(child)[1]) == SIGKILL


def test_a_timer_signals_a_thread_of_its_own_process_alone(attacker: Attacker) -> None:
    timer = bytearray(4)
    attacker.syscall(
        "timer_create", time.CLOCK_MONOTONIC, event_to(attacker.getpid(), SIGUSR1), timer
    )
    attacker.syscall("timer_delete", *struct.unpack("<i", timer))
    with pytest.raises(GuestError) as refused:
        attacker.syscall("timer_create", time.CLOCK_MONOTONIC, event_to(1, SIGUSR1), timer)
    assert refused.value.errno == EINVAL

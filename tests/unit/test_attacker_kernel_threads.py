# SPDX-License-Identifier: GPL-2.0-only
"""Threads found by their names, while some of them end."""

from __future__ import annotations

import os
import subprocess

from local_agent import local_attacker

from harness.attacker.kernel_threads import threads_named


def test_those_are_found_whose_names_begin_so() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, local_attacker() as attacker:
        try:
            found = list(threads_named(attacker, b"slee"))
            assert process.pid in found
            assert os.getpid() not in found
        finally:
            process.kill()


def test_one_that_ends_while_the_names_are_read_is_looked_past() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, local_attacker() as attacker:
        try:
            found = threads_named(attacker, b"")
            first = next(found)  # they are all listed by now
            assert first < process.pid
        finally:
            process.kill()
        process.wait()
        rest = list(found)
    assert process.pid not in rest
    assert os.getpid() in rest

# SPDX-License-Identifier: GPL-2.0-only
"""A hostile guest's output is drained, capped, and safe to print."""

from __future__ import annotations

import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.vm.console import CAP, Console, escape


def printed(data: bytes) -> str:
    """Return what a console keeps of `data`, written as fast as the pipe takes it."""
    reader, writer = os.pipe()
    console = Console(os.fdopen(reader, "rb"))

    def write() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the guest would block"
    console.close()
    return console.text()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\r\nlines\n", "plain\nlines\n"),
        (b"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        (b"a\rb\x08\x7f\x00", "a\\rb\\x08\\x7f\\x00"),
        ("\u009b31m \u202e \u2028".encode(), "\\x9b31m \\u202e \\u2028"),
        (b"\xff\xc3", "\\xff\\xc3"),
        ("ünïcode".encode(), "ünïcode"),
    ],
)
def test_control_sequences_are_escaped(raw: bytes, shown: str) -> None:
    assert escape(raw) == shown


@given(st.binary())
def test_nothing_that_moves_a_terminal_gets_through(raw: bytes) -> None:
    assert all(line.isprintable() for line in escape(raw).split("\n"))


def test_both_ends_of_a_flood_are_kept_and_the_middle_is_counted() -> None:
    text = printed(b"first" + b"x" * (5 * CAP) + b"last")
    assert text.startswith("first")
    assert text.endswith("last")
    assert f"[{3 * CAP + 9} bytes dropped]" in text
    assert len(text) < 2 * CAP + 100


def test_what_fits_is_kept_whole() -> None:
    data = b"x" * (2 * CAP)
    assert printed(data) == data.decode()


def test_the_text_is_there_before_the_end() -> None:
    reader, writer = os.pipe()
    console = Console(os.fdopen(reader, "rb"))
    os.write(writer, b"booting")
    deadline = time.monotonic() + 60
    while console.text() != "booting":
        assert time.monotonic() < deadline
    os.close(writer)
    console.close()

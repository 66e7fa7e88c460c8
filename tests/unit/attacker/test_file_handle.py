# SPDX-License-Identifier: GPL-2.0-only
"""File handles that this host's kernel returns for a file in memory."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

import pytest
from local_agent import local_attacker

from harness.attacker import Attacker, GuestError
from harness.attacker.tools.file_handle import name_to_handle_at, open_by_handle_at

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with local_attacker() as attacker:
        yield attacker


def test_a_handle_is_as_long_as_it_says(attacker: Attacker) -> None:
    file = attacker.syscall("memfd_create", "file", 0)
    handle = name_to_handle_at(attacker, file)
    size, _ = struct.unpack_from("<Ii", handle)
    assert 0 < size == len(handle) - 8


def test_two_files_have_two_handles(attacker: Attacker) -> None:
    files = (attacker.syscall("memfd_create", "file", 0) for _ in range(2))
    first, second = (name_to_handle_at(attacker, file) for file in files)
    assert first != second


def test_a_handle_of_no_type_is_refused(attacker: Attacker) -> None:
    file = attacker.syscall("memfd_create", "file", 0)
    with pytest.raises(GuestError) as refused:
        open_by_handle_at(attacker, file, struct.pack("<Ii", 0, 0), os.O_RDONLY)
    assert refused.value.errno in (errno.EINVAL, errno.EPERM)  # EPERM: not as this user
    assert refused.value.call == "open_by_handle_at"

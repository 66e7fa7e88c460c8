# SPDX-License-Identifier: GPL-2.0-only
"""BPF objects with the real loader and libbpf, up to the calls that a kernel must accept."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from local_agent import agent_stream, local_attacker, programs

from harness.attacker import Attacker, Channel, GuestError
from harness.attacker.tools.bpf import BpfObject
from harness.guests.initramfs import GuestImage
from harness.guests.payloads import BPF_LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator


LIBBPF_ERRNO__FORMAT = 4001  # bpf/libbpf_legacy.h: libbpf's own error numbers


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Payloads go to /tmp, and a program that runs cannot be written.

    Whoever waits for the lock gets it in no order: on a busy host that may take minutes.
    """
    with FileLock(Path(tempfile.gettempdir()) / "umd-bpf-loader.lock", timeout=900):
        yield


@pytest.mark.parametrize(
    "constants",
    [{"no_such": b"1234"}, {"tgid": b"123"}, {"tgid": b"12345"}, {"hits": b"1234"}],
    ids=["unknown", "too short", "too long", "no constant"],
)
def test_a_constant_that_does_not_fit_is_refused(constants: dict[str, bytes]) -> None:
    with local_attacker() as attacker:
        with pytest.raises(GuestError) as refused:
            BpfObject(attacker, "write_user", **constants)
        assert (refused.value.call, refused.value.errno) == ("bpf", errno.EINVAL)
        attacker.waitpid(-1)


@pytest.mark.parametrize(
    ("loader", "call", "number"),
    [("true", "loader", errno.EPROTO), (BPF_LOADER, "bpf", LIBBPF_ERRNO__FORMAT)],
)
def test_a_broken_payload_is_no_attached_one(
    tmp_path: Path, loader: str, call: str, number: int
) -> None:
    """A loader that ends without output, and a file that is not a BPF object."""
    program = shutil.which(loader) or str(programs() / loader)
    shutil.copy(program, tmp_path / BPF_LOADER)
    (tmp_path / "broken.bpf.o").write_bytes(b"no ELF")
    with agent_stream() as (stream, _):
        attacker = Attacker(Channel(stream), GuestImage("", tmp_path, tmp_path))
        with pytest.raises(GuestError) as refused:
            BpfObject(attacker, "broken")
        assert (refused.value.call, refused.value.errno) == (call, number)
        attacker.waitpid(-1)

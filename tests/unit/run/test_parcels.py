# SPDX-License-Identifier: GPL-2.0-only
"""Parcels: what arrives is what was sent, and is sent once."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import pytest

from harness.cache.places import RECEIVED
from harness.host.errors import UserError
from harness.run import cluster_worker
from harness.run.cluster_worker import LabOrder, Refusal, SentImages
from harness.run.code import code_digest
from harness.run.parcels import Parcel, receive, received
from harness.vm.probe import Accelerator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def folder(where: Path, *, said: bytes = b"kernel") -> Path:
    (where / "handlers").mkdir(parents=True)
    (where / "bzImage").write_bytes(said)
    (where / "handlers" / "sample").write_bytes(b"\x7fELF")
    (where / "handlers" / "sample").chmod(0o755)
    (where / "seal.json").write_text("of the sender's cache")
    return where


def test_a_folder_arrives_as_it_was(tmp_path: Path) -> None:
    parcel = Parcel(folder(tmp_path / "sent"))
    assert received(parcel.digest) is None
    there = receive(parcel.digest, parcel.content)
    assert received(parcel.digest) == there
    files = {str(one.relative_to(there)) for one in there.rglob("*") if one.is_file()}
    assert files == {"bzImage", "handlers/sample", "seal.json"}
    assert (there / "bzImage").read_bytes() == b"kernel"
    assert (there / "handlers/sample").stat().st_mode & 0o111
    assert not (there / "bzImage").stat().st_mode & 0o111


def test_the_same_files_have_the_same_hash_and_others_another(tmp_path: Path) -> None:
    digests = [
        Parcel(folder(tmp_path / name, said=said)).digest
        for name, said in (("one", b"kernel"), ("two", b"kernel"), ("three", b"Kernel"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_another_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    parcel = Parcel(folder(tmp_path / "sent"))
    other = Parcel(folder(tmp_path / "other", said=b"Kernel"))
    with pytest.raises(UserError, match="arrived with another content"):
        receive(parcel.digest, other.content)
    with pytest.raises(UserError, match="arrived with another content"):
        receive(parcel.digest, zlib.compress(b""))
    refusal = asyncio.run(cluster_worker.receive(parcel.digest, other.content))
    assert refusal is not None
    assert "arrived with another content" in refusal.message
    assert received(parcel.digest) is None


def test_what_is_damaged_afterwards_counts_as_missing(tmp_path: Path) -> None:
    parcel = Parcel(folder(tmp_path / "sent"))
    there = receive(parcel.digest, parcel.content)
    (there / "bzImage").write_bytes(b"Kernel")
    assert received(parcel.digest) is None
    assert receive(parcel.digest, parcel.content) == there
    assert (there / "bzImage").read_bytes() == b"kernel"


def test_a_worker_names_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_worker, "qemu_here", lambda: "QEMU 10")
    kernel, guest = Parcel(folder(tmp_path / "one")), Parcel(folder(tmp_path / "two", said=b"g"))
    sent = {"": SentImages("k", kernel.digest, "g", guest.digest)}
    order = LabOrder("token", "6.12", code_digest(), "QEMU 10", Accelerator("tcg", ""), sent)
    assert asyncio.run(cluster_worker.ask(order)) == [kernel.digest, guest.digest]
    receive(kernel.digest, kernel.content)
    assert asyncio.run(cluster_worker.ask(order)) == [guest.digest]
    other = LabOrder("token", "6.12", "0123", "QEMU 10", Accelerator("tcg", ""), sent)
    refusal = asyncio.run(cluster_worker.ask(other))
    assert isinstance(refusal, Refusal)
    assert refusal.message.startswith("its code of the harness is not that of the run: ")
    assert list(RECEIVED.path().iterdir())

# SPDX-License-Identifier: GPL-2.0-only
"""What a worker of a Dask cluster does for a run: takes images, opens a lab, runs cells.

The client calls these functions on the worker. The coroutines do their work in a thread, so that
the worker's heartbeat goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.guests.initramfs import GuestImage
from harness.host.children import kill_children
from harness.host.errors import UserError
from harness.kernel.build.images import KernelImage
from harness.lab.images import BootImages
from harness.lab.lab import Lab
from harness.model.handlers import DEFAULT_HANDLER
from harness.run import parcels
from harness.run.code import code_digest
from harness.run.pool import run_rounds
from harness.run.provenance import version_of
from harness.vm.kernel_watch import compiled_plugin
from harness.vm.workdir import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus
    from harness.vm.probe import Accelerator

KILLING_SECONDS = 5.0


@dataclass(frozen=True)
class SentImages:
    """The images of a flavour: their keys, and the hashes of their parcels."""

    kernel_key: str
    kernel: str
    guest_key: str
    guest: str


@dataclass(frozen=True)
class LabOrder:
    """The lab that the workers of a run open."""

    token: str
    """The name of the lab in a worker; another one for each run."""
    line: str
    code: str
    """The hash of the harness's code that takes part in verdicts."""
    qemu: str
    """The version of QEMU, as it prints it."""
    accelerator: Accelerator
    flavours: Mapping[str, SentImages] = field(default_factory=dict)
    plugin: str = ""
    """The hash of the parcel with QEMU's plugin; empty if there is none."""
    is_foreign: bool = False
    handler: str = DEFAULT_HANDLER

    @property
    def parcels(self) -> list[str]:
        """The hashes of all parcels of the lab."""
        found = [digest for sent in self.flavours.values() for digest in (sent.kernel, sent.guest)]
        return [*found, self.plugin] if self.plugin else found


@dataclass(frozen=True)
class Refusal:
    """Why a worker does not do what it is asked to, in the parts of a UserError."""

    message: str
    hint: str


class NotOpen(Exception):
    """The lab of a run is not open in this process: a worker was started again."""


@dataclass
class _Opened:
    lab: CellRunner
    corpus: Corpus
    running: int = 0


class _OpenLabs:
    """The labs that are open in this process, by the tokens of their runs."""

    def __init__(self) -> None:
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    def open(self, token: str, opened: _Opened) -> None:
        self._opened[token] = opened

    def close(self, token: str) -> _Opened | None:
        return self._opened.pop(token, None)

    @contextmanager
    def used(self, token: str) -> Iterator[_Opened | None]:
        """Yield the lab of a run, and count a running cell meanwhile; None if it is not open."""
        opened = self._opened.get(token)
        if opened is None:
            yield None
            return
        with self._lock:
            opened.running += 1
        try:
            yield opened
        finally:
            with self._lock:
                opened.running -= 1

    @property
    def are_idle(self) -> bool:
        return not any(opened.running for opened in self._opened.values())


_LABS = _OpenLabs()


async def ask(order: LabOrder) -> Refusal | list[str]:
    """Return the hashes of the parcels that this worker lacks, or why it cannot take part."""
    return await asyncio.to_thread(_ask, order)


async def receive(digest: str, content: bytes) -> Refusal | None:
    """Keep a parcel, unless its content has another hash."""
    return await asyncio.to_thread(_receive, digest, content)


async def open_lab(order: LabOrder) -> Refusal | None:
    """Open the lab, whose parcels are there."""
    return await asyncio.to_thread(_open, order)


async def close_lab(token: str) -> None:
    """Close the lab. Cells that run go on."""
    _LABS.close(token)


async def kill_cells(token: str) -> None:
    """Close the lab and kill the machines of its cells, unless cells of another run are here."""
    await asyncio.to_thread(_kill, token)


def run_cell(token: str, cell: Cell, rounds: int, due: int) -> Outcome | Refusal:
    """Run a cell in the lab of a run, for as many rounds as are due. Raises NotOpen."""
    with _LABS.used(token) as opened:
        if opened is None:
            raise NotOpen(f"the lab of {cell.id} is not open in this worker")
        try:
            return run_rounds(opened.corpus, opened.lab, cell, rounds=rounds, due=lambda: due)
        except UserError as error:
            return Refusal(error.message, error.hint)


def _ask(order: LabOrder) -> Refusal | list[str]:
    for what, wanted, here in (
        ("code of the harness", order.code, code_digest()),
        ("QEMU", order.qemu, qemu_here()),
    ):
        if wanted != here:
            return Refusal(
                f"its {what} is not that of the run: {here[:40] or 'none'} and {wanted[:40]}",
                "install the same on all machines",
            )
    return [digest for digest in order.parcels if parcels.received(digest) is None]


def qemu_here() -> str:
    """Return the version of this machine's QEMU, as it prints it."""
    return version_of("qemu-system-x86_64", "--version")


def _receive(digest: str, content: bytes) -> Refusal | None:
    try:
        parcels.receive(digest, content)
    except UserError as error:
        return Refusal(error.message, error.hint)
    except OSError as error:
        return Refusal(f"the images cannot be kept: {error}", "free some space, or look at its log")
    return None


def _open(order: LabOrder) -> Refusal | None:
    try:
        lab, corpus = lab_of(order)
    except UserError as error:
        return Refusal(error.message, error.hint)
    _LABS.open(order.token, _Opened(lab, corpus))
    return None


def lab_of(order: LabOrder) -> tuple[CellRunner, Corpus]:
    """Return the lab of received images, and its corpus. Raises UserError."""
    from harness.scenarios.corpus import SHIPPED

    with suppress(OSError):  # another worker may remove its files meanwhile
        sweep()
    if order.plugin:
        compiled_plugin(_there(order.plugin))
    flavours = {}
    for flavour, sent in order.flavours.items():
        guest = _there(sent.guest)
        flavours[flavour] = BootImages(
            KernelImage(order.line, sent.kernel_key, _there(sent.kernel)),
            GuestImage(sent.guest_key, guest / "initramfs.cpio", guest / "payloads"),
        )
    corpus = SHIPPED.with_handler(order.handler)
    lab = Lab(order.line, flavours, order.accelerator, is_foreign=order.is_foreign, corpus=corpus)
    return lab, corpus


def _there(digest: str) -> Path:
    folder = parcels.received(digest)
    if folder is None:
        raise UserError(f"the parcel {digest[:12]} is gone", hint="leave the worker's cache alone")
    return folder


def _kill(token: str) -> None:
    opened = _LABS.close(token)
    if opened is None:
        return
    deadline = time.monotonic() + KILLING_SECONDS
    while opened.running and time.monotonic() < deadline:
        if _LABS.are_idle:
            kill_children()
        time.sleep(0.05)

# SPDX-License-Identifier: GPL-2.0-only
"""The handler's own memory compared with the witness's account of it, from outside.

The witness gives each handler a secret, of which the tally has the hash, and works out each link
of the handler's hash chain itself. Whenever the host reads the tally, the machine is paused, and
the host can compare both with what the handler has.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.host.errors import VmLost
from harness.model.handlers import BACKDOOR
from harness.vm.guest_ram import PAGE
from harness.vm.paging import ACCESSED
from harness.witness.handler_layout import process_layout, thread_layout
from harness.witness.layout import HASH_BYTES, MESSAGE_BYTES

if TYPE_CHECKING:
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.witness.handler import Handler
    from harness.witness.handler_layout import HandlerLayout
    from harness.witness.reader import Witness
    from harness.witness.tally import Tally

STARTS = 4
"""Handlers whose chains the witness keeps (kernel/umd_witness/core.c)."""
LOOKS = 12
"""Looks at one handler before it counts as wrong. A start or a request under way takes less."""
LOOK_SECONDS = 0.005
PATIENCE = 24
"""Looks in a row that may find no handler where there has to be one."""
KERNEL_ENTRY = 511
"""The entry of a top-level page table that leads to the kernel's image."""
NOBODY = "there is no handler"
NO_ANSWER = "the handler has not answered a request yet"
ANOTHER = "secret at rest"
_NEVER = -1, -1


@dataclass(frozen=True)
class RestState:
    """What the host found in a handler's memory."""

    secret: bytes
    chain: bytes
    request: bytes
    pages: tuple[int, ...]
    """Physical addresses of the pages that were read."""
    is_written: bool
    """Whether memory differs from the program that the handler does not write."""


class HandlerAtRest:
    """Looks at each handler once it is there, and again when `settle` asks for it.

    A handler that does not agree with the witness's account is looked at again with the next
    tally, because it may be about to answer a request. After `LOOKS` it is wrong. A handler that
    had its secret, and has another, is wrong at once: the secret is looked at with each tally.
    Until a handler has answered a request, it may still be writing its secret and its first link.
    On a busy machine, that can take seconds. So a handler that never had its secret, or whose
    chain differs, is not seen until then.
    If `fixed`, nothing in this kernel may move the handler's pages.
    """

    def __init__(
        self, machine: Machine, kernel: KernelImage, handler: Handler, *, fixed: bool
    ) -> None:
        self._machine, self._kernel, self._handler = machine, kernel, handler
        self._chains, self._objects = (
            beside_the_witness(kernel, name) + machine.load_offset for name in ("chains", "objects")
        )
        self._top = kernel.physical("init_top_pgt") + machine.load_offset
        self._fixed = fixed
        self.wrong = ""
        """What was wrong with a handler; empty if nothing was."""
        self.unseen = NOBODY
        """Why the latest look at a handler gave no answer; empty if it gave one."""
        self.contradictions: list[str] = []
        """Handlers whose pages moved."""
        self._settled = self._doubted = _NEVER
        self._doubts = self._absent = 0
        self._known: set[bytes] = set()  # hashes of the secrets of handlers that had theirs
        self._pages: dict[int, tuple[int, ...]] = {}
        self.secrets: dict[int, bytes] = {}
        """The secrets in the memory of the handlers that agreed with the witness, by generation."""

    def observe(self, tally: Tally) -> None:
        """Look at the handler, if it was not seen in this phase. The machine must be paused."""
        moment = tally.generation, tally.phase
        if self.wrong:
            return
        if moment == self._settled:
            self._look_at_secret(tally)
            return
        try:
            self.unseen = differs = self._compare(tally)
        except VmLost as lost:  # it is starting, or ending, or its memory is elsewhere
            self.unseen = str(lost)
            self._absent += 1
            return
        self._absent = 0
        if not differs:
            self._settled = moment
            return
        self._doubts = self._doubts + 1 if self._doubted == moment else 1
        self._doubted = moment
        if self._doubts > LOOKS or self._had_another(tally, differs):
            self.wrong = differs

    def settle(self, witness: Witness, *, patience: int = PATIENCE) -> None:
        """Look at the handler until it agrees with the witness, is wrong, or does not appear.

        `patience` is how many looks in a row may find nothing to see.
        """
        self._settled = self._doubted = _NEVER
        self._absent = 0
        for _ in range(4 * LOOKS):
            witness.read()
            if self.wrong or self._settled != _NEVER or self._absent >= patience:
                return
            time.sleep(LOOK_SECONDS)

    def _look_at_secret(self, tally: Tally) -> None:
        """Note if the handler, which had its secret, has another."""
        try:
            self._check_presence(tally)
            page, offset = divmod(self._layout(tally).secret, PAGE)  # aligned to its size
            place = self._machine.walk(tally.page_table, page * PAGE) + offset
            secret = self._machine.read(place, HASH_BYTES)
        except VmLost:  # it has ended since
            return
        if sha256(secret).digest() != tally.secret_sha256(tally.generation):
            self.wrong = ANOTHER

    def _check_presence(self, tally: Tally) -> None:
        """Raise VmLost unless there is a handler."""
        if not any(self._machine.read(self._objects + 8, 8)):
            raise VmLost(NOBODY)
        if self._kernel_entry(tally.page_table) != self._kernel_entry(self._top):
            raise VmLost("the handler's page table is freed")

    def _compare(self, tally: Tally) -> str:
        """Return what differs, empty if nothing does. Raises VmLost if there is nothing to see."""
        self._check_presence(tally)
        state = self._state(tally)
        if differs := self._compare_answers(tally, state):
            if not self._had_another(tally, differs) and not _has_answered(tally):
                raise VmLost(NO_ANSWER)
            return differs
        self._note_pages(tally.generation, state.pages)
        self.secrets[tally.generation] = state.secret
        return "memory at rest" if state.is_written else ""

    def _compare_answers(self, tally: Tally, state: RestState) -> str:
        """Return which of secret and chain differs: a handler writes both as it answers."""
        expected = tally.secret_sha256(tally.generation)
        if sha256(state.secret).digest() != expected:
            return ANOTHER
        self._known.add(expected)
        place = self._chains + tally.generation % STARTS * HASH_BYTES
        right = is_link(self._machine.read(place, HASH_BYTES), state, expected)
        return "" if right else "chain at rest"

    def _had_another(self, tally: Tally, differs: str) -> bool:
        """Whether a handler that differs so had the right secret before."""
        return differs == ANOTHER and tally.secret_sha256(tally.generation) in self._known

    def _kernel_entry(self, table: int) -> int:
        """Return the entry of a page table that all page tables share: that of the kernel."""
        entry = self._machine.read(table + KERNEL_ENTRY * 8, 8)
        return int.from_bytes(entry, "little") & ~ACCESSED

    def _note_pages(self, generation: int, pages: tuple[int, ...]) -> None:
        if self._fixed and self._pages.setdefault(generation, pages) != pages:
            self._pages[generation] = pages
            self.contradictions.append(f"the pages of handler {generation} moved")

    def _layout(self, tally: Tally) -> HandlerLayout:
        if bool(tally.chain) != self._handler.is_thread:  # root may load the other's module
            raise VmLost("the witness watches another kind of handler")
        if tally.chain:
            module = self._kernel.directory / f"{self._handler.loader}.ko"
            return thread_layout(module, tally.chain)
        layout = process_layout(self._kernel.handlers / self._handler.program)
        # A handler with a backdoor may write anything of its own.
        return replace(layout, segments=()) if self._handler.program == BACKDOOR else layout

    def _state(self, tally: Tally) -> RestState:
        """Read a handler's memory by its page table."""
        layout, places = self._layout(tally), dict[int, int]()

        def read(address: int, size: int) -> bytes:
            data = b""
            while len(data) < size:
                page, offset = divmod(address + len(data), PAGE)
                if page not in places:
                    places[page] = self._machine.walk(tally.page_table, page * PAGE)
                data += self._machine.read(
                    places[page] + offset, min(size - len(data), PAGE - offset)
                )
            return data

        return RestState(
            read(layout.secret, HASH_BYTES),
            read(layout.chain, HASH_BYTES),
            read(layout.request, MESSAGE_BYTES),
            is_written=any(
                layout.foreign(part.address, read(part.address, len(part.data)))
                != layout.foreign(part.address, part.data)
                for part in layout.segments
            ),
            pages=tuple(places.values()),
        )


@cache
def beside_the_witness(kernel: KernelImage, name: str) -> int:
    """Return the physical address, as linked, of a static variable of the witness.

    Other files may have a variable of the same name; the witness's is the one near `watched`.
    """
    beside = kernel.symbol("watched")
    found = re.findall(rf"^(\w+) \w {name}$", kernel.system_map.read_text(), re.MULTILINE)
    nearest = min((int(at, 16) for at in found), key=lambda at: abs(at - beside), default=beside)
    return kernel.physical("watched") + nearest - beside


def is_link(kernels: bytes, state: RestState, secret_sha256: bytes) -> bool:
    """Whether a handler's chain is the kernel's, or the next link, or on its way from one to it.

    The handler may have received a request of which the kernel does not have the reply yet. It
    writes a link byte by byte (umd_witness/answer.h).
    """
    following = sha256(kernels + state.request + secret_sha256).digest()
    return all(byte in pair for byte, *pair in zip(state.chain, kernels, following, strict=True))


def _has_answered(tally: Tally) -> bool:
    """Whether the latest handler has answered a request."""
    return any(r.generation == tally.generation and not r.error for r in tally.records if r.number)

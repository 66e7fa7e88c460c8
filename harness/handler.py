# SPDX-License-Identifier: GPL-2.0-only
"""The handler as a scenario sees it: what it says comes from kernel memory, not the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.kernel.images import KernelImage
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

PROGRAM = "umd_witness_umh"


class Handler:
    """The process (or kernel thread) under attack."""

    name = PROGRAM
    reply_size = 56
    """Bytes in a reply: struct witness_message (overlay/kernel/umd_witness/message.h)."""

    def __init__(
        self, machine: Machine, image: KernelImage, witness: Witness, *, loader: str
    ) -> None:
        self._machine = machine
        self._image = image
        self._witness = witness
        self.loader = loader
        """The module that carries the handler."""

    @property
    def pid(self) -> int:
        """The pid of the handler that runs now."""
        return self._witness.read().pid

    def symbol(self, name: str) -> int:
        """The address of one of the handler's variables: secret, chain, request or reply."""
        return self._image.handler_symbol(PROGRAM, name)

    def wait_for_request(self, *, seconds: float = 10) -> None:
        """Return once the handler, restarted if need be, has answered one more request."""
        right = self._witness.read().count.right
        self._witness.wait(
            lambda tally: tally.count.right > right, seconds=seconds, what="further right reply"
        )

    def flip_byte(self) -> None:
        """Change one byte of the handler's state from outside the guest."""
        tally = self._witness.read()
        with self._machine.paused():
            address = self._machine.walk(tally.page_table, tally.chain or self.symbol("chain"))
            byte = self._machine.read(address, 1)
            self._machine.write(address, bytes([byte[0] ^ 0xFF]))

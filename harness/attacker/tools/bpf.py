# SPDX-License-Identifier: GPL-2.0-only
"""BPF programs in the guest: objects built with the image, loaded there by libbpf."""

from __future__ import annotations

from errno import EPROTO
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.guests.payloads import BPF_LOADER

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_NUMBER = 4


def u32(number: int) -> bytes:
    """A constant of an object as it lies in memory."""
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    """A constant of an object as it lies in memory: an address, for example."""
    return number.to_bytes(8, "little")


class BpfObject:
    """A payload `<name>.bpf.o` whose programs are attached, for as long as the agent lives."""

    def __init__(self, attacker: Attacker, name: str, **constants: bytes) -> None:
        """Attach them. `constants` are the object's `const volatile` variables, byte by byte.

        Raises GuestError with `bpf` as the call where the kernel, or libbpf for it, refuses.
        """
        loader, target = attacker.payload(BPF_LOADER), attacker.payload(f"{name}.bpf.o")
        values = (f"{key}={value.hex()}" for key, value in constants.items())
        self._attacker = attacker
        with attacker.setup():
            self._said, writer = attacker.pipe()
            with writer:
                self._loader = attacker.spawn(loader, target, *values, stdout=writer.fd)
        if error := self._number():
            raise GuestError(-error, "bpf")

    def hits(self) -> int:
        """The object's count of what it did: once there is something, or 0 after half a second."""
        return self._number()

    def taken(self, size: int) -> bytes:
        """What the object has in its variable `taken`, as it was when it said its `hits`."""
        return self._said.read(size)

    def end(self) -> None:
        """Detach the programs; they are gone when this returns."""
        self._attacker.kill(self._loader, SIGKILL)
        self._attacker.waitpid(self._loader)

    def _number(self) -> int:
        data = self._said.read(_NUMBER)
        if len(data) < _NUMBER:
            raise GuestError(EPROTO, "loader")
        return int.from_bytes(data, "little", signed=True)

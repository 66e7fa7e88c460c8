# SPDX-License-Identifier: GPL-2.0-only
"""BPF programs in the guest: object files built with the guest image, loaded there by libbpf."""

from __future__ import annotations

from errno import EPROTO
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.guests.payloads import BPF_LOADER

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

BPFFS = "/sys/fs/bpf"
"""The file system that keeps what is pinned."""

_NUMBER = 4


def u32(number: int) -> bytes:
    """Return a `__u32` constant of a BPF object as its 4 bytes, little-endian."""
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    """Return a `__u64` constant of a BPF object, such as an address, as its 8 bytes."""
    return number.to_bytes(8, "little")


class BpfObject:
    """The payload `<name>.bpf.o`. Its programs stay attached until `end`, or the agent's end."""

    _options: tuple[str, ...] = ()
    """Words of the loader's command line, before the object."""

    def __init__(self, attacker: Attacker, name: str, **constants: bytes) -> None:
        """Load the object and attach its programs.

        `constants` are the values of the object's `const volatile` variables, as bytes (`u32`,
        `u64`). Raises GuestError with `bpf` as the call if the kernel or libbpf refuses.
        """
        loader, target = attacker.payload(BPF_LOADER), attacker.payload(f"{name}.bpf.o")
        values = (f"{key}={value.hex()}" for key, value in constants.items())
        self._attacker = attacker
        with attacker.setup():
            self._said, writer = attacker.pipe()
            with writer:
                self._loader = attacker.spawn(
                    loader, *self._options, target, *values, stdout=writer.fd
                )
        if error := self._number():
            raise GuestError(-error, "bpf")

    def hits(self) -> int:
        """Return the object's counter once it is not 0; return 0 if it still is after 0.5 s."""
        return self._number()

    def taken(self, size: int) -> bytes:
        """Return `size` bytes of the object's variable `taken`, as of the last `hits`."""
        return self._said.read(size)

    def end(self) -> None:
        """Detach the programs, and return when they are detached."""
        self._attacker.kill(self._loader, SIGKILL)
        self._attacker.waitpid(self._loader)

    def _number(self) -> int:
        data = self._said.read(_NUMBER)
        if len(data) < _NUMBER:
            raise GuestError(EPROTO, "loader")
        return int.from_bytes(data, "little", signed=True)


class PinnedBpfObject(BpfObject):
    """A BPF object whose links are pinned to `BPFFS`: its programs stay attached after `end`."""

    _options = ("--pin", BPFFS)

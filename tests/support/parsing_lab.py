# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for the tests of handlers that parse: the variants under test, and the handler."""

from __future__ import annotations

from errno import EIO, ETIMEDOUT
from typing import TYPE_CHECKING

import pytest
from late_replies import Lates

from harness.attacker import Attacker, Channel, GuestError
from harness.attacker.tools.keyrings import KEY_SPEC_PROCESS_KEYRING, add_key, trusted_keyring
from harness.lab.lab import Lab
from harness.scenarios.caller import ENTRY
from harness.scenarios.corpus import SHIPPED
from harness.witness.handler import Handler
from harness.witness.reader import Witness
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.model.handlers import HandlerKind
    from harness.vm.machine import Machine

VARIANTS = ("baseline", "isolated", "kthread")
KEYCTL_SEARCH = 10


def lab_with(kind: HandlerKind, line: str) -> Lab:
    """Return this shipped kernel line with this handler."""
    return Lab.open(line, VARIANTS, progress=lambda _: None, corpus=SHIPPED.with_handler(kind.name))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """The variant under test."""
    return str(request.param)


@pytest.fixture
def handler(lab: Lab, variant: str, machine: Machine, witness: Witness) -> Handler:
    """The handler, as an attack gets it."""
    kernel = lab.images(variant).kernel
    return Handler(lab.corpus.variants[variant], machine, kernel, witness)


@pytest.fixture
def parked(handler: Handler, witness: Witness) -> Handler:
    """The handler, without requests of the witness.

    A tracer on a busy host holds the handler for so long that such a request would be late.
    """
    witness.park()
    return handler


def restarting(attacker: Attacker, machine: Machine, errno: int = ETIMEDOUT) -> Lates:
    """Count late requests. Each is followed by another that starts a handler."""
    starts = Lates(machine, EIO)  # the file gives this errno for each failure
    return Lates(machine, errno, again=lambda: starts.in_time(attacker.write_file, ENTRY, b"x"))


@pytest.fixture
def lates(attacker: Attacker, machine: Machine) -> Lates:
    """The requests of the attacker that a busy host made late."""
    return restarting(attacker, machine)


def check_nested(lab: Lab, attack: Callable[[Attacker, Handler], object]) -> None:
    """Check that the kernel refuses a forged key that has to lie in what is signed.

    The attack wins on `baseline` without this check of the kernel (umd_witness.nested).
    """
    images = lab.images("baseline")
    with (
        lab.machine("baseline", boot="umd_witness.nested=1") as machine,
        Channel(machine.agent_socket(), reply_seconds=60, attempt_seconds=300) as channel,
    ):
        witness, attacker = Witness(machine, images.kernel), Attacker(channel, images.guest)
        handler = Handler(lab.corpus.variants["baseline"], machine, images.kernel, witness)
        witness.park()
        lates, asked = (restarting(attacker, machine, errno) for errno in (ETIMEDOUT, EIO))

        def wrong_replies() -> int:
            """Ask twice after the attack: one of two requests is parsed."""
            before = witness.read().count.wrong
            with pytest.raises(GuestError, match="EINVAL at add_key"):
                lates.in_time(attack, attacker, handler)
            assert witness.read().count.wrong == before
            for _ in range(2):
                attacker.write_file(ENTRY, b"x")
            return witness.read().count.wrong - before

        # The parser was overwritten, and is so no more if a busy host has made the handler late.
        assert asked.in_time(wrong_replies) == 1
        assert Violation.BELIEVED not in witness.read().violations


class Keys:
    """Adds keys to keyrings. A request that a busy host made late is made again."""

    def __init__(self, attacker: Attacker, lates: Lates) -> None:
        self._attacker = attacker
        self._lates = lates

    def add(self, blob: bytes, ring: int, *, first: Callable[[], object] = int) -> int:
        """Add the key in a file; return its id. `first` is called before each request."""
        return self._lates.in_time(self._add, blob, ring, first)

    def refused(self, blob: bytes, ring: int, *, first: Callable[[], object] = int) -> int | None:
        """Return the error by which the kernel refuses a key."""
        with pytest.raises(GuestError) as error:
            self.add(blob, ring, first=first)
        return error.value.errno

    def _add(self, blob: bytes, ring: int, first: Callable[[], object]) -> int:
        first()
        return add_key(self._attacker, blob, ring)


@pytest.fixture
def keys(attacker: Attacker, lates: Lates) -> Keys:
    """Root, who adds keys."""
    return Keys(attacker, lates)


def find_key(attacker: Attacker, identifier: str) -> int:
    """Return the key in the process keyring that has this identifier, or one that ends so."""
    sought = ("asymmetric", f"id:{identifier}", 0)
    return attacker.syscall("keyctl", KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, *sought)


def check_refused(
    attacker: Attacker, witness: Witness, keys: Keys, blob: bytes, errno: int, vendor: bytes
) -> None:
    """Check that the kernel refuses a file, then takes the vendor's, and gets right replies."""
    ring, right = trusted_keyring(attacker), witness.read().count.right
    assert keys.refused(blob, ring) == errno
    keys.add(vendor, ring)
    witness.wait(lambda tally: tally.count.right > right + 2, seconds=30, what="right reply")
    tally = witness.read()
    assert not (tally.count.wrong or tally.violations)

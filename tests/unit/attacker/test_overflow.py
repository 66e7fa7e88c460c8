# SPDX-License-Identifier: GPL-2.0-only
"""The files that exploit a bug are files of their format, and have their parts where they say."""

from __future__ import annotations

import struct

import pytest
from cryptography.x509 import load_der_x509_certificate

from harness.attacker.tools.openpgp import split
from harness.attacker.tools.overflow import CARRIERS, words
from harness.attacker.tools.signed_messages import SIGNED_DATA
from harness.guests.der import inside
from harness.model.handlers import PGP, PKCS7, RPM, X509

RET = 0x401234
PACKET_HEADER = 3
"""Bytes before the content of an OpenPGP packet."""
ICON = 1043
"""The tag of that entry (rpmtag.h of rpm)."""
BUFFER, REGISTERS = 256, 7
"""The buffer's bytes, and the most registers that a function saves before its return address."""
STACK = (0x1111222233334444, 0x5555666677778888)


def icon(made: bytes) -> bytes:
    """Return the store of a header from the offset that the second entry of the index has."""
    entries, _ = struct.unpack_from(">II", made, 8)
    tag, _, offset, count = struct.unpack_from(">IIII", made, 16 + 16)
    assert tag == ICON
    return made[16 + 16 * entries + offset :][:count]


COPIED = {
    X509.name: lambda made: inside(made, (0, 0, 4)),
    PKCS7.name: lambda made: inside(made, (*SIGNED_DATA, 3, 0, 1, 0)),
    PGP.name: lambda made: split(made)[1][PACKET_HEADER:],
    RPM.name: icon,
}
"""By parser, the part that it copies."""

of_each = pytest.mark.parametrize("parser", CARRIERS)


@of_each
def test_what_is_brought_lies_where_it_should(parser: str) -> None:
    carrier = CARRIERS[parser]
    for brought in (b"x" * 256, bytes(range(256)) * 4):
        made = carrier.overflow(RET, STACK, brought)
        assert made[carrier.place_of_brought() :].startswith(brought)


def test_it_is_a_certificate() -> None:
    made = load_der_x509_certificate(CARRIERS[X509.name].overflow(RET, STACK, b"x" * 256))
    assert made.serial_number == 1


@of_each
def test_the_stack_lies_at_a_multiple_of_a_word_behind_a_row_of_returns(parser: str) -> None:
    """Both counted from the start of the part that the parser copies to its buffer."""
    made = CARRIERS[parser].overflow(RET, STACK, b"x" * 256)
    copied = COPIED[parser](made)
    row, stack = copied.index(words([RET])), copied.index(words(STACK))
    assert row % 8 == stack % 8 == 0
    assert row < BUFFER < BUFFER + 8 * REGISTERS <= stack
    assert copied[row:stack] == words([RET]) * ((stack - row) // 8)


@of_each
def test_a_file_that_the_handler_would_not_take_is_an_error(parser: str) -> None:
    with pytest.raises(ValueError, match="the handler takes no file of"):
        CARRIERS[parser].overflow(RET, STACK, bytes(CARRIERS[parser].longest))

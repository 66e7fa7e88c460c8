# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel line, and a fresh machine of it for every test."""

import signal

from machine_fixtures import (
    attacker,
    failures,
    images,
    lab,
    machine,
    sample,
    selftest,
    variant,
    witness,
)

__all__ = [
    "attacker",
    "failures",
    "images",
    "lab",
    "machine",
    "sample",
    "selftest",
    "variant",
    "witness",
]

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell has what it runs in the background ignore Ctrl-C, and that is passed on: the tests of
what Ctrl-C does would wait in vain."""

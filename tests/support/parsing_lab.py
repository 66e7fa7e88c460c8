# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for the tests of handlers that parse: the variants under test, and the handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.lab.lab import Lab
from harness.scenarios.corpus import SHIPPED
from harness.witness.handler import Handler

if TYPE_CHECKING:
    from harness.model.handlers import HandlerKind
    from harness.vm.machine import Machine
    from harness.witness.reader import Witness

VARIANTS = ("baseline", "isolated", "kthread")


def lab_with(kind: HandlerKind) -> Lab:
    """Return the shipped kernel line with this handler."""
    return Lab.open(
        "6.12", VARIANTS, progress=lambda _: None, corpus=SHIPPED.with_handler(kind.name)
    )


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """The variant under test."""
    return str(request.param)


@pytest.fixture
def handler(lab: Lab, variant: str, machine: Machine, witness: Witness) -> Handler:
    """The handler, as an attack gets it."""
    kernel = lab.images(variant).kernel
    return Handler(lab.corpus.variants[variant], machine, kernel, witness)

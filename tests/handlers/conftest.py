# SPDX-License-Identifier: GPL-2.0-only
"""The handlers, the corpora, and one guest whose kernel is the reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from certificate_corpus import blobs, fetch
from handler_programs import confine, programs, tree
from machine_fixtures import attacker, images, lab, machine, variant

from harness.guests.payloads import compile_program

__all__ = ["attacker", "confine", "images", "lab", "machine", "programs", "tree", "variant"]


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> dict[bytes, str]:
    """Certificates, messages and much else that is DER; what add_key(2) takes, by its length."""
    assert request.config.cache is not None
    found = blobs(fetch(request.config.cache.mkdir("vectors")))
    return {blob: name for blob, name in found.items() if len(blob) < 1 << 20}


@pytest.fixture(scope="session")
def ask_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that has the guest's kernel parse blobs."""
    program = tmp_path_factory.mktemp("guest") / "ask_kernel"
    compile_program(Path(__file__).with_name("ask_kernel.c"), program)
    return program

# SPDX-License-Identifier: GPL-2.0-only
"""The handler of RPM headers and rpm read the same digests from packages of rpmbuild."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest
from handler_process import HandlerProcess, running
from rpm_packages import PACKAGES, build_package, named_digests

from harness.handlers.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rpm_packages import Package

pytestmark = pytest.mark.few


@pytest.fixture(scope="module")
def handler(programs: Path, confine: str) -> Iterator[HandlerProcess]:
    with running(programs / "rpm", confine) as process:
        yield process


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    folder = tmp_path_factory.mktemp("rpm")
    return {name: build_package(name, folder) for name in PACKAGES}


@pytest.mark.parametrize("name", PACKAGES)
def test_the_digests_are_those_that_rpm_prints(
    handler: HandlerProcess, built: dict[str, Package], name: str
) -> None:
    package = built[name]
    if name == "too-many":
        assert handler.status(package.header) == "EOVERFLOW"
        return
    assert handler.status(package.header) == "0"
    algo, found = named_digests(handler.ask(package.header), package.header)
    assert found == package.digests
    if found:
        assert algo == (package.algo or 1), "no number is MD5"
    assert any(found) or name in ("folders", "nothing")


def test_a_header_that_is_cut_or_padded(handler: HandlerProcess, built: dict[str, Package]) -> None:
    honest = built["sha256"].header
    assert {handler.status(honest[:size]) for size in range(len(honest))} == {"EBADMSG"}
    assert handler.status(honest + b"\0") == "EBADMSG"
    assert handler.status(bytes(RECIPES["rpm"].request_size + 1)) == "EMSGSIZE"
    assert handler.status(honest) == "0"


def test_a_reply_stays_within_the_request_whatever_is_asked(
    handler: HandlerProcess, built: dict[str, Package]
) -> None:
    choose, honest = random.Random(24), built["sha256"].header  # noqa: S311 - the same each time
    accepted = 0
    for _ in range(2000):
        blob = bytearray(honest)
        for _ in range(choose.randint(1, 3)):
            blob[choose.randrange(16, len(blob))] = choose.randrange(256)
        reply = handler.ask(bytes(blob))
        if struct.unpack_from("<i", reply) == (0,):
            accepted += 1
            named_digests(reply, bytes(blob))
    assert accepted

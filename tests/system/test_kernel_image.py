# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel line: built from the shipped series, found again at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest
from harness.model.handlers import BACKDOOR, HASH, PGP, PKCS7, RPM, X509
from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from harness.kernel.build.images import KernelImage


@pytest.fixture(scope="module")
def image() -> KernelImage:
    return kernel_image(BuildRequest("6.12"), progress=lambda _: None)


# A first build takes under 15 minutes on two cores; the machine may be busy.
@pytest.mark.timeout(3000)
def test_the_image_is_whole(image: KernelImage) -> None:
    assert image.bzimage.stat().st_size > 1 << 20
    assert image.physical("umd_witness_tally") < 256 << 20
    assert image.handler_symbol("umd_witness_umh", "main") > 0
    assert "umd_witness_loader.ko" in {module.name for module in image.modules}


def has(image: KernelImage, program: str, name: str) -> bool:
    try:
        return image.handler_symbol(program, name) > 0
    except UserError:
        return False


def test_each_program_has_the_parsers_of_its_kind_alone(image: KernelImage) -> None:
    """The programs have a source in common, and are compiled in parallel.

    A message may have certificates, so the parser of messages contains that of certificates.
    """
    parsers = {kind.program: f"umd_{kind.name}_parse" for kind in (X509, PKCS7, PGP, RPM)}
    for program in (HASH.program, BACKDOOR, *parsers):
        there = {name for name in parsers.values() if has(image, program, name)}
        kinds = {program, X509.program} if program == PKCS7.program else {program}
        assert there == {name for kind, name in parsers.items() if kind in kinds}, program


def test_nothing_changed_is_found_without_a_build(image: KernelImage) -> None:
    said: list[str] = []
    assert kernel_image(BuildRequest("6.12"), progress=said.append) == image
    assert said == []


def test_the_functions_that_attacks_go_through_are_there(image: KernelImage) -> None:
    made = [one for one in SCENARIOS.values() if one.not_applicable.keys() != VARIANTS.keys()]
    for scenario in made:
        for name in filter(None, (scenario.reach, scenario.through, scenario.no_target_at)):
            assert image.symbol(name), scenario.name


def test_the_witness_calls_nothing_that_root_may_make_fail(image: KernelImage) -> None:
    """Rule 1: neither the error-injection list nor `security_*`."""
    called = set((image.directory / "witness-undefined.txt").read_text().split())
    injectable = set((image.directory / "error-injection.txt").read_text().split())
    assert called
    assert "should_failslab" in injectable
    assert not called & injectable
    assert not [name for name in called if name.startswith("security_")]

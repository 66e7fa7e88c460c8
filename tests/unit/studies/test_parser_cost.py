# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a parser outside of the kernel, from times that are known."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.x509 import load_der_x509_certificate

from harness.host.errors import UserError, VmLost
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.studies.parser_cost import (
    FRESH_TIMES,
    FRESH_WARM,
    SAMPLES,
    TIMES,
    WARM,
    lines,
    parser_cost,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Lab:
    """Machines whose handler takes four times as long as the kernel, and ten times while cold."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextmanager
    def parser_clock(
        self, parser: str, variant: str, *, boot: str = ""
    ) -> Iterator[Callable[[bytes, int], dict[str, list[float]]]]:
        assert (parser, variant) in {(sample.parser, "isolated") for sample in SAMPLES}

        def give(file: bytes, count: int) -> dict[str, list[float]]:
            assert file
            self.asked.append(count)
            slow = 10 if count in (WARM, FRESH_WARM) else 40 if boot else 4
            return {"handler": [slow * 50] * count, "kernel": [50] * count}

        yield give

    def locked_kib(self, parser: str, variant: str) -> int:
        assert variant == "isolated"
        return len(parser)


def test_the_rate_is_that_of_the_warm_requests() -> None:
    lab = Lab()
    found, locked = parser_cost(cast("Any", lab), machines=6, progress=lambda _: None)
    each = 6 * [WARM, TIMES] + 6 * [FRESH_WARM, FRESH_TIMES]
    assert lab.asked == len(SAMPLES) * each
    rates = [row.rate.partition(" ")[0] for row in rows(found)]
    assert rates == len(SAMPLES) * ["", "0.250", "0.025"]
    said = lines(found, locked)
    assert said[1].split()[-6:] == ["in", "the", "kernel", "20000", "50", "50"]
    assert said[2].endswith("isolated            5000      200      200  0.250 (0.250 to 0.250)")
    assert said[-1].endswith("x509 4 KiB, pkcs7 5 KiB, pgp 3 KiB, rpm 3 KiB")
    assert len(said) == 3 + 3 * len(SAMPLES)
    assert (found[1].where, found[1].handler_us) == ("isolated, fresh", 6 * (2000,))
    assert found[1].kernel_percentiles_us == (50, 50)


def test_the_files_are_as_long_as_they_say() -> None:
    """No handler takes a certificate of more than 2044 bytes, or a header of more than 128 KiB."""
    key = signing_key(cache_dir())
    sizes = {sample.name: len(sample.made(key)) for sample in SAMPLES}
    assert 1900 < sizes["certificate with 48 names"] <= 2044
    assert 97_000 < sizes["header with 1500 files"] < 100 << 10
    for sample in SAMPLES[:2]:
        load_der_x509_certificate(sample.made(key))


def test_a_lost_machine_is_an_error() -> None:
    class Lost(Lab):
        @contextmanager
        def parser_clock(
            self, parser: str, variant: str, *, boot: str = ""
        ) -> Iterator[Callable[[bytes, int], dict[str, list[float]]]]:
            raise VmLost(f"{parser} on {variant} is gone{boot}")
            yield

    with pytest.raises(UserError, match="x509 could not be measured: x509 on isolated is gone"):
        parser_cost(cast("Any", Lost()), machines=6, progress=lambda _: None)


def test_a_lost_machine_ends_the_study_before_it_has_measured_anything() -> None:
    class Lost(Lab):
        def locked_kib(self, parser: str, variant: str) -> int:
            raise VmLost(f"{parser} on {variant} is gone")

    lab = Lost()
    with pytest.raises(UserError, match="x509 could not be measured: x509 on isolated is gone"):
        parser_cost(cast("Any", lab), machines=6, progress=lambda _: None)
    assert not lab.asked

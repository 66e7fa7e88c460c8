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
from harness.studies.cut_short import kept
from harness.studies.parser_cost import (
    CORPUS_FILES,
    CORPUS_TIMES,
    FRESH_TIMES,
    FRESH_WARM,
    SAMPLES,
    TIMES,
    WARM,
    corpus_sample,
    lines,
    parser_cost,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Clock:
    """The handler takes four times as long as the kernel, and ten times at first.

    Each byte takes the kernel a microsecond, but 50 if there is one file. It accepts no file that
    begins with a zero byte.
    """

    def __init__(self, asked: list[int], boot: str):
        self.asked = asked
        self.slow = 40 if boot else 4
        self.is_cold = True

    def accepted(self, files: Sequence[bytes]) -> list[bytes]:
        return [file for file in files if file[0]]

    def times(self, files: Sequence[bytes], count: int) -> dict[str, list[list[float]]]:
        self.asked.append(count)
        slow = 10 if self.is_cold else self.slow
        self.is_cold = False
        sizes = [len(file) if len(files) > 1 else 50 for file in files]
        assert all(file[0] for file in files)
        return {
            "handler": [count * [slow * float(size)] for size in sizes],
            "kernel": [count * [float(size)] for size in sizes],
        }


class Lab:
    """Machines that are started to time files."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextmanager
    def parser_clock(self, parser: str, variant: str, *, boot: str = "") -> Iterator[Clock]:
        assert (parser, variant) in {(sample.parser, "isolated") for sample in SAMPLES}
        yield Clock(self.asked, boot)

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


def test_of_a_corpus_those_files_count_that_the_kernel_accepts(tmp_path: Path) -> None:
    """Figures are means over the files, and percentiles those of all times."""
    for number, content in enumerate((b"one", b"\0refused", b"eleven byte", b"one")):
        (tmp_path / f"{number}").write_bytes(content)
    lab = Lab()
    sample = corpus_sample(f"pgp={tmp_path}")
    found, locked = parser_cost(
        cast("Any", lab), machines=6, progress=lambda _: None, samples=[sample]
    )
    assert lab.asked == 12 * [1, CORPUS_TIMES]
    isolated, fresh = found
    assert (isolated.files, isolated.bytes) == (2, 7)
    assert (isolated.kernel_us, isolated.handler_us) == (6 * (7,), 6 * (28,))
    assert isolated.kernel_percentiles_us == (7, 11)
    assert fresh.handler_us == 6 * (280,)
    said = lines(found, locked)
    assert said[1].startswith(f"{tmp_path}, 2 files, on average 7 bytes")
    assert said[2].endswith(" 0.250 (0.250 to 0.250)")


def test_of_a_large_corpus_files_of_all_lengths_are_taken(tmp_path: Path) -> None:
    for size in range(1, 2 * CORPUS_FILES + 1):
        (tmp_path / f"{size}").write_bytes(size * b"a")
    sample = corpus_sample(f"pgp={tmp_path}")
    found, _ = parser_cost(
        cast("Any", Lab()), machines=6, progress=lambda _: None, samples=[sample]
    )
    assert [(one.files, one.bytes) for one in found] == 2 * [(CORPUS_FILES, CORPUS_FILES)]


def test_a_corpus_that_the_kernel_refuses_is_an_error(tmp_path: Path) -> None:
    """It is found before anything is timed."""
    (tmp_path / "refused").write_bytes(b"\0refused")
    samples = [*SAMPLES, corpus_sample(f"x509={tmp_path}")]
    lab = Lab()
    with pytest.raises(UserError, match=f"the kernel accepts no file of {tmp_path}"):
        parser_cost(cast("Any", lab), machines=6, progress=lambda _: None, samples=samples)
    assert not lab.asked


def test_the_files_are_as_long_as_they_say() -> None:
    """No handler takes a certificate of more than 2044 bytes, or a header of more than 128 KiB."""
    key = signing_key(cache_dir())
    sizes = {sample.name: len(sample.made(key)[0]) for sample in SAMPLES}
    assert 1900 < sizes["certificate with 48 names"] <= 2044
    assert 97_000 < sizes["header with 1500 files"] < 100 << 10
    for sample in SAMPLES[:2]:
        load_der_x509_certificate(sample.made(key)[0])


def test_a_lost_machine_is_an_error() -> None:
    class Lost(Lab):
        @contextmanager
        def parser_clock(self, parser: str, variant: str, *, boot: str = "") -> Iterator[Clock]:
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


def test_the_rows_before_a_lost_machine_are_kept() -> None:
    class Lost(Lab):
        @contextmanager
        def parser_clock(self, parser: str, variant: str, *, boot: str = "") -> Iterator[Clock]:
            if boot:
                raise VmLost(f"{parser} on {variant} is gone")
            with super().parser_clock(parser, variant, boot=boot) as clock:
                yield clock

    lab = cast("Any", Lost())
    (found, locked), cut = kept(lambda: parser_cost(lab, machines=6, progress=lambda _: None))
    assert [row.where for row in found] == ["isolated"]
    assert locked.keys() == {sample.parser for sample in SAMPLES}
    assert f"those of 1 of {2 * len(SAMPLES)} rows" in str(cut)

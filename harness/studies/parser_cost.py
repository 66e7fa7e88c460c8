# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a parser outside of the kernel: files on `isolated`, by handler and kernel.

Each machine has both parse the same file, one after the other, many times. As in
harness/studies/round_trip.py, the figure of a machine is the first decile of a file's times, and
the interval is that of the sign test. Of a corpus, the figure is the mean over its files.
Percentiles are those of the times of all files on all machines.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, product
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING

from harness.attacker.tools.packages import header_of
from harness.guests import vendor
from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.model.handlers import PGP, PKCS7, RPM, X509
from harness.results.bench_figures import FileFigures
from harness.studies.cut_short import CutShort
from harness.studies.parser_bug import FRESH
from harness.studies.parser_corpus import Corpus
from harness.studies.round_trip import ISOLATED, calm, sign_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.kernel.build.signing import SigningKey
    from harness.model.handlers import HandlerKind
    from harness.run.cell_runner import ParserTimer

MACHINES = 6
WARM, TIMES = 100, 500
"""Requests of each machine: those that are not counted, while QEMU translates, and the rest."""
FRESH_WARM, FRESH_TIMES = 10, 50
"""The same if each request has a handler of its own."""
CORPUS_TIMES = 10
"""The requests with each file of a corpus, after a first that is not counted."""
CORPUS_FILES = 200
"""The most files of a corpus. Of more, they are taken at equal distances in the order of length."""
KERNEL_DOES_MORE = (
    "the kernel's parser of certificates also computes a digest, and verifies the signature of a "
    "certificate that signs itself"
)


def _long_certificate(key: SigningKey) -> bytes:
    """Return a certificate of nearly 2 KiB."""
    return vendor.certificate(key, [f"host-{number:02}.vendor.example" for number in range(48)])


def _long_package(key: SigningKey) -> bytes:
    """Return the signed header of a package with 1500 files, of nearly 100 KiB."""
    digests = [sha256(str(number).encode()).hexdigest() for number in range(1500)]
    texts = "".join(f"{digest}\0" for digest in digests).encode()
    made = vendor.header(
        (vendor.ALGORITHM, vendor.INT32, 1, struct.pack(">I", vendor.SHA256)),
        (vendor.DIGESTS, vendor.STRING_ARRAY, len(digests), texts),
    )
    return vendor.signed(key, made)


@dataclass(frozen=True)
class Sample:
    """A file for a parser, or a corpus of them."""

    parser: str
    """The name of the handler."""
    name: str
    made: Callable[[SigningKey], Sequence[bytes]]
    """Returns the files. The kernel trusts the key."""


def _sample(parser: HandlerKind, name: str, made: Callable[[SigningKey], bytes]) -> Sample:
    return Sample(parser.name, name, lambda key: (made(key),))


SAMPLES = (
    _sample(X509, "certificate", vendor.certificate),
    _sample(X509, "certificate with 48 names", _long_certificate),
    _sample(PKCS7, "message with a key", vendor.signed_key),
    _sample(PGP, "OpenPGP key", vendor.openpgp),
    _sample(RPM, "header with 1 file", vendor.package),
    _sample(RPM, "header with 1500 files", _long_package),
)


def corpus_sample(text: str) -> Sample:
    """Return the sample that `--corpus HANDLER=DIR` names. Raises UserError."""
    corpus = Corpus.parse(text)
    files = corpus.files(signing_key(cache_dir()))
    return Sample(corpus.parser, str(corpus.folder), lambda _: files)


SETTINGS = (ISOLATED, ""), (f"{ISOLATED}, fresh", FRESH)
"""Where the handler runs, and the boot parameters."""


@dataclass(frozen=True)
class Row:
    """What is said of one file in one parser."""

    file: str
    parser: str
    middle: float
    """The median time of a request, in microseconds."""
    late: float
    """The 99th percentile."""
    rate: str = ""
    """How many files the handler parses while the kernel parses one, with the interval."""

    def line(self, width: int) -> str:
        """Return the line that `bench` prints; the file's name takes so many characters."""
        times = f"{1e6 / self.middle:.0f}", f"{self.middle:.0f}", f"{self.late:.0f}"
        return _line(width, self.file, self.parser, *times, self.rate)


def _line(width: int, *cells: str) -> str:
    return "{:<{}} {:<15} {:>8} {:>8} {:>8}  {}".format(cells[0], width, *cells[1:]).rstrip()


def rows(files: Sequence[FileFigures]) -> list[Row]:
    """Return a row for each place of each file, that in the kernel before the handlers'."""
    made = []
    for file in files:
        number = f"{file.files} files, on average " if file.files > 1 else ""
        name = f"{file.name}, {number}{file.bytes} bytes"
        if file.where == ISOLATED:
            made.append(Row(name, "in the kernel", *file.kernel_percentiles_us))
        made.append(Row(name, file.where, *file.handler_percentiles_us, _rate(file)))
    return made


def _rate(file: FileFigures) -> str:
    both = zip(file.handler_us, file.kernel_us, strict=True)
    rates = [kernel / handler for handler, kernel in both]
    low, high = sign_interval(rates)
    return f"{median(rates):.3f} ({low:.3f} to {high:.3f})"


def lines(files: Sequence[FileFigures], locked: Mapping[str, int]) -> list[str]:
    """Return all that `bench` prints."""
    memory = ", ".join(f"{parser} {kib} KiB" for parser, kib in locked.items())
    certificates = any(file.parser == X509.name for file in files)
    made = rows(files)
    width = max(len(row.file) for row in made)
    return [
        _line(width, "file", "parser", "a second", "p50 us", "p99 us", "rate of the kernel's"),
        *(row.line(width) for row in made),
        *certificates * [KERNEL_DOES_MORE],
        f"locked memory of a handler on {ISOLATED}: {memory}",
    ]


def parser_cost(
    lab: ParserTimer,
    *,
    machines: int,
    progress: Callable[[str], None],
    samples: Sequence[Sample] = SAMPLES,
) -> tuple[tuple[FileFigures, ...], dict[str, int]]:
    """Time each sample on so many machines. Return that, and the KiB that each handler has locked.

    The files are signed by the key that the kernels trust. Of a corpus, those count that the
    kernel accepts, or 200 of these. Raises UserError for a lost machine, or if the kernel accepts
    no file: CutShort if files were timed before.
    """
    found: list[FileFigures] = []
    key = signing_key(cache_dir())
    locked = {sample.parser: _locked(lab, sample.parser) for sample in samples}
    accepted = []
    for sample in samples:
        progress(f"bench: {sample.name}: which files the kernel accepts")
        accepted.append((sample, _accepted(lab, sample, sample.made(key))))
    places = list(product(accepted, SETTINGS))
    pace = Pace(machines * len(places))
    for number, ((sample, files), (where, boot)) in enumerate(places):
        times = []
        for machine in range(machines):
            done = number * machines + machine
            progress(f"bench: machines {pace.at(done)}, {sample.name}, {where}")
            try:
                times.append(_times(lab, sample.parser, files, boot))
            except UserError as error:
                if not found:
                    raise
                told = f"{number} of {len(places)} rows"
                raise CutShort(error, (tuple(found), locked), measured=told) from error
        handler, kernel = ([one[name] for one in times] for name in ("handler", "kernel"))
        sizes = [len(header_of(file) if sample.parser == RPM.name else file) for file in files]
        found.append(
            FileFigures(
                parser=sample.parser,
                name=sample.name,
                files=len(files),
                bytes=round(fmean(sizes)),
                where=where,
                handler_us=tuple(map(_calm, handler)),
                kernel_us=tuple(map(_calm, kernel)),
                handler_percentiles_us=_percentiles(handler),
                kernel_percentiles_us=_percentiles(kernel),
            )
        )
    return tuple(found), locked


def _calm(times: Sequence[Sequence[float]]) -> float:
    """Return the figure of a machine."""
    return fmean(map(calm, times))


def _percentiles(times: Sequence[Sequence[Sequence[float]]]) -> tuple[float, float]:
    """Return the 50th and the 99th percentile of the times of all machines, in microseconds."""
    of_100 = quantiles(chain.from_iterable(chain.from_iterable(times)), n=100)
    return of_100[49], of_100[98]


def _accepted(lab: ParserTimer, sample: Sample, files: Sequence[bytes]) -> Sequence[bytes]:
    with _measured(sample.parser), lab.parser_clock(sample.parser, ISOLATED) as clock:
        accepted = clock.accepted(files)
    if not accepted:
        raise UserError(
            f"the kernel accepts no file of {sample.name}",
            hint=f"take files that add_key(2) takes with --handler {sample.parser}",
        )
    number = min(len(accepted), CORPUS_FILES)
    return [accepted[at * len(accepted) // number] for at in range(number)]


def _times(
    lab: ParserTimer, parser: str, files: Sequence[bytes], boot: str
) -> dict[str, list[list[float]]]:
    warm, count = (FRESH_WARM, FRESH_TIMES) if boot else (WARM, TIMES)
    if len(files) > 1:
        warm, count = 1, CORPUS_TIMES
    with _measured(parser), lab.parser_clock(parser, ISOLATED, boot=boot) as clock:
        clock.times(files, warm)
        return clock.times(files, count)


def _locked(lab: ParserTimer, parser: str) -> int:
    with _measured(parser):
        return lab.locked_kib(parser, ISOLATED)


@contextmanager
def _measured(parser: str) -> Iterator[None]:
    """Raise UserError for a machine that was lost."""
    try:
        yield
    except (VmLost, OSError) as error:
        raise UserError(
            f"the parsers of {parser} could not be measured: {error}",
            hint=f"see whether it answers: umd-harness run --handler {parser} -k nothing",
        ) from error

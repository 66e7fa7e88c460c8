# SPDX-License-Identifier: GPL-2.0-only
"""The handler of RPM headers, rpm, and the kernel's own build of the parser agree on upstream data.

The data are the packages with which rpm and other programs are tested, and damaged copies. A
difference counts only if its reason is listed, and if the reply has no digest that is wrong.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from handler_process import HandlerProcess, errno_name, running
from parsing_lab import lab_with
from rpm_packages import named_digests
from rpm_query import STRUCTURE, Answer, ask_rpm
from rpm_source_packages import Damage, damages_in, fetch, packages_in
from small_archive import run

from harness.attacker import GuestError
from harness.attacker.tools.packages import add_package, ask_digest
from harness.guests.vendor import signed
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.model.handlers import RPM
from harness.studies.parser_corpus import header_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.attacker import Attacker
    from harness.lab.lab import Lab

PAGE = Path(__file__).parents[2] / "docs/how-to/own-handler.md"

LEAST = 40
"""Packages: fewer would mean that the sources shrank."""
STEP, ZEROS = 23, 6
"""Bytes from one damage to the next, and of each: rpm's own tests write as many. The entries of an
index have 16 bytes, so that each part of an entry is damaged."""
NTH = 40
"""The kernel is asked about each so many of these: its answer takes longer than that of rpm."""

REFUSED_BY_RPM = {
    "a digest or a signature is wrong: the caller checks these": r"Header .*: BAD",
    "the lead: the handler gets the header alone": r"not an rpm package",
    "the signature's header: the handler gets the header alone": r"signature ",
    "another entry: the handler reads two": r"tag\[\d+\]: BAD, tag (?!(?:1035|5011) )",
    "the algorithm of no digests: the handler does not read it": r"tag\[\d+\]: BAD, tag 5011 ",
    "rpm adds up the lengths of all entries": r"hdr load: BAD",
    "the region, by which rpm sees what was added to a header": r"region[ :]",
}
"""Why rpm refuses what the handler accepts: the reasons, and the fault that rpm names."""
UNKNOWN = "the algorithm is not known: rpm prints digests all the same"
SHORT = "the last digest is too short: rpm prints this digest all the same"
DIGITS = {1: 32, 8: 64}
"""Of a digest, by the algorithms that the packages have."""


class Copy(NamedTuple):
    """A package, or one that is damaged."""

    name: str
    content: bytes
    whole: bytes
    """The package before the damage."""

    @property
    def header(self) -> bytes | None:
        """The header; none if the package is cut or its signature's length is wrong."""
        try:
            return header_in(self.content)
        except struct.error:
            return None


class Reply(NamedTuple):
    """What the handler says of a copy."""

    status: str
    algo: int = 0
    digests: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses packages."""
    return lab_with(RPM, kernel_line)


@pytest.fixture(scope="module")
def tarballs(request: pytest.FixtureRequest) -> list[Path]:
    assert request.config.cache is not None
    return fetch(request.config.cache.mkdir("rpm-sources"))


@pytest.fixture(scope="module")
def packages(tarballs: list[Path]) -> Mapping[str, bytes]:
    return packages_in(tarballs)


@pytest.fixture(scope="module")
def damaged(tarballs: list[Path], packages: Mapping[str, bytes]) -> list[Copy]:
    """Each package with each damage that rpm's own tests make."""
    made = damages_in(tarballs)
    assert made
    return [copy for name, whole in packages.items() for copy in copies(name, whole, made)]


@pytest.fixture(scope="module")
def swept(packages: Mapping[str, bytes]) -> list[Copy]:
    """Each package with such damages from its first byte to the end of its header."""
    found: list[Copy] = []
    for name, whole in packages.items():
        header = header_in(whole)
        end = whole.index(header) + len(header)
        found += copies(name, whole, [Damage(at, ZEROS) for at in range(0, end, STEP)])
    return found


def copies(name: str, whole: bytes, damages: list[Damage]) -> Iterator[Copy]:
    """Yield the package with each damage that changes it."""
    for damage in damages:
        content = damage.of(whole)
        if content != whole:
            yield Copy(f"{name}, {damage.length} bytes from {damage.start}", content, whole)


@pytest.fixture(scope="module")
def handler(programs: Path, confine: str) -> Iterator[HandlerProcess]:
    with running(programs / "rpm", confine) as process:
        yield process


def ask(handler: HandlerProcess, header: bytes | None) -> Reply:
    """Ask the handler. Without a header, there is nothing to ask."""
    if header is None:
        return Reply("no header")
    reply = handler.ask(header)
    (status,) = struct.unpack_from("<i", reply)
    if status:
        return Reply(errno_name(status))
    algo, digests = named_digests(reply, header)
    return Reply("0", algo if digests else 0, tuple(digests))


def difference(reply: Reply, said: Answer) -> str:
    """Return how the reply and rpm's answer differ, by the listed reason or as it is.

    Empty if they do not differ.
    """
    plain = f"{reply} {said}"
    if reply.status != "0":
        return "" if said.refused else reason_of_handler(reply, said) or plain
    if not said.refused:
        return "" if (reply.algo, reply.digests) == (said.algo, said.digests) else plain
    fits = (why for why, fault in REFUSED_BY_RPM.items() if re.match(fault, said.refused))
    return plain if "tag 5011 " in said.refused and reply.digests else next(fits, plain)


def reason_of_handler(reply: Reply, said: Answer) -> str:
    """Return why the handler refuses what rpm accepts; empty if the reason is not listed."""
    if reply.status == "ENOPKG" and said.algo == 0:
        return UNKNOWN
    digits = DIGITS.get(said.algo)
    is_short = said.digests and len(said.digests[-1]) not in (0, digits)
    return SHORT if reply.status == "EBADMSG" and is_short else ""


def is_part(reply: Reply, whole: Reply) -> bool:
    """Whether the reply has no digest that the whole package has not at the same file.

    A damage may take the entry of all digests away, or a digest: its first byte is zero then.
    """
    if reply.algo not in (0, whole.algo) or len(reply.digests) not in (0, len(whole.digests)):
        return False
    named = zip(reply.digests, whole.digests, strict=False)
    return all(digest in ("", other) for digest, other in named)


def check_page(files: int, packages: int, differences: Counter[str], column: int) -> None:
    """Check the numbers of the page, if rpm has the version that the page names."""
    text = PAGE.read_text(encoding="utf-8")
    version = re.search(r"counted with rpm ([\d.]+)\.", text)
    assert version
    if f"version {version[1]}\n" not in run("rpm", "--version", cwd=PAGE.parent).decode():
        return
    assert f"These are {files} files" in text
    assert f"They have {packages} RPM packages" in text
    rows = re.findall(r"^\| (?:rpm|handler) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    counts = Counter(int(row[column]) for row in rows)
    assert counts - Counter({0: counts[0]}) == Counter(differences.values())


def test_rpm_reads_each_package_as_the_handler_does(
    handler: HandlerProcess, packages: Mapping[str, bytes], tmp_path: Path
) -> None:
    answers = ask_rpm(list(packages.values()), tmp_path / "packages")
    replies = [ask(handler, header_in(package)) for package in packages.values()]
    algos = Counter(reply.algo for reply in replies)
    print(f"{len(packages)} packages, algorithms of their digests: {dict(algos)}")  # noqa: T201
    differ = [
        (name, reply, said)
        for name, reply, said in zip(packages, replies, answers, strict=True)
        if said.refused or difference(reply, said)
    ]
    assert differ == []
    assert len(packages) >= LEAST
    assert algos.keys() >= {0, 1, 8}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("options", [(), STRUCTURE], ids=["all", "structure"])
def test_rpm_and_the_handler_differ_only_for_a_listed_reason(
    handler: HandlerProcess,
    packages: Mapping[str, bytes],
    damaged: list[Copy],
    swept: list[Copy],
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    asked = [*damaged, *swept]
    answers = ask_rpm([copy.content for copy in asked], tmp_path / "copies", *options)
    wholes = {whole: ask(handler, header_in(whole)) for whole in {copy.whole for copy in asked}}
    counted, reasons, wrong = Counter[str](), Counter[str](), []
    for copy, said in zip(asked, answers, strict=True):
        reply = ask(handler, copy.header)
        counted[f"handler {reply.status}, rpm {'refuses' if said.refused else 'accepts'}"] += 1
        if reason := difference(reply, said):
            reasons[reason] += 1
        if reply.status == "0" and not is_part(reply, wholes[copy.whole]):
            wrong.append((copy.name, reply, said))
    print(f"{len(asked)} copies: {dict(counted)}; differences: {dict(reasons)}")  # noqa: T201
    assert wrong == []
    listed = {*REFUSED_BY_RPM, *((UNKNOWN, SHORT) if options else ())}
    assert set(reasons) - listed == set()
    assert min(counted["handler 0, rpm accepts"], counted["handler EBADMSG, rpm refuses"]) >= 100
    check_page(len(asked), len(packages), reasons, column=bool(options))


def test_another_difference_is_seen() -> None:
    whole = Reply("0", 8, ("ab" * 32, ""))
    unlisted = [
        (whole, Answer(8, ("cd" * 32, ""))),
        (whole, Answer(1, whole.digests)),
        (whole, Answer(8, whole.digests[:1])),
        (whole, Answer(refused="tag[3]: BAD, tag 1035 type 8 offset 0 count 2 len 9")),
        (whole, Answer(refused="tag[3]: BAD, tag 5011 type 4 offset 0 count 2 len 9")),
        (whole, Answer(refused="the package is of another kind")),
        (Reply("EBADMSG"), Answer(8, whole.digests)),
        (Reply("ENOPKG"), Answer(8, whole.digests)),
    ]
    assert not {difference(*pair) for pair in unlisted} & {"", UNKNOWN, SHORT, *REFUSED_BY_RPM}
    changed = (("cd" * 32, ""), ("ab" * 32,), ("ab" * 32, "cd" * 32))
    assert not any(is_part(Reply("0", 8, digests), whole) for digests in changed)
    assert not is_part(Reply("0", 1, whole.digests), whole)


@pytest.mark.parametrize("variant", ["kthread"], indirect=True)
def test_the_kernels_own_build_of_the_parser_says_the_same(
    handler: HandlerProcess,
    packages: Mapping[str, bytes],
    damaged: list[Copy],
    swept: list[Copy],
    attacker: Attacker,
) -> None:
    """Statuses are the same, and the kernel knows the digests once it has the package."""
    key = signing_key(cache_dir())
    chosen = [*(copy.header for copy in damaged), *(copy.header for copy in swept[::NTH])]
    headers = dict.fromkeys([*map(header_in, packages.values()), *filter(None, chosen)])
    known: set[str] = set()
    counted, differ = Counter[str](), []
    for header in headers:
        reply = ask(handler, header)
        digests = set(filter(None, reply.digests))
        counted[reply.status] += 1
        unknown = {digest for digest in digests - known if not is_known(attacker, digest)}
        status = kernel_status(attacker, signed(key, header))
        missing = {digest for digest in digests - known if not is_known(attacker, digest)}
        if status != reply.status or unknown != digests - known or missing:
            differ.append((header, status, reply, missing))
        known |= digests
    print(f"{len(headers)} headers: {dict(counted)}, {len(known)} digests")  # noqa: T201
    assert differ == []
    assert min(counted["0"], counted["EBADMSG"]) >= 10


def kernel_status(attacker: Attacker, package: bytes) -> str:
    """Return the name of the error by which the kernel refuses a package; `0` for none."""
    try:
        add_package(attacker, package)
    except GuestError as error:
        assert error.errno
        return errno_name(-error.errno)
    return "0"


def is_known(attacker: Attacker, digest: str) -> bool:
    """Whether the kernel knows a digest."""
    try:
        ask_digest(attacker, digest.encode())
    except GuestError as error:
        assert errno_name(-(error.errno or 0)) == "ENOENT"
        return False
    return True

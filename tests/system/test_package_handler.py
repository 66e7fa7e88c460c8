# SPDX-License-Identifier: GPL-2.0-only
"""The handler that parses headers of packages: which digests the kernel then knows."""

from __future__ import annotations

import struct
from errno import EBADMSG, EINVAL, EKEYREJECTED, EMSGSIZE, ENOENT, ENOPKG, ENOSPC
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, ParamSpec

import pytest
from parsing_lab import handler, lab_with, lates, parked, variant

from harness.attacker import GuestError
from harness.attacker.tools.packages import (
    add_package,
    ask_digest,
    digests_in,
    forged_reply,
    header_of,
)
from harness.guests import vendor as files
from harness.guests.vendor import ALGORITHM, DIGESTS, INT32, PACKAGE, SHA256, STRING_ARRAY, header
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key
from harness.model.handlers import RPM
from harness.scenarios.stakes import replace_parser
from harness.witness.tally import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from late_replies import Lates

    from harness.attacker import Attacker
    from harness.lab.lab import Lab
    from harness.witness.handler import Handler
    from harness.witness.reader import Witness

    Add = Callable[[bytes], None]

__all__ = ["handler", "lates", "parked", "variant"]

_P = ParamSpec("_P")

UNKNOWN = 7
"""No algorithm has this number."""
ROOM = 8192
"""MOST_DIGESTS of the kernel (overlay/kernel/umd_witness/digests.c)."""
MOST = 2015
"""Digests of SHA-256 in one header of at most 128 KiB."""


@pytest.fixture(scope="session")
def lab(kernel_line: str) -> Lab:
    """A shipped kernel line with the handler that parses packages."""
    return lab_with(RPM, kernel_line)


@pytest.fixture
def vendor(attacker: Attacker) -> bytes:
    """A package that a key in the kernel has signed."""
    return attacker.read_file(PACKAGE)


@pytest.fixture
def add(attacker: Attacker, lates: Lates) -> Add:
    """Root, who adds a package. A request that a busy host made late is made again."""
    return partial(lates.in_time, partial(add_package, attacker))


def signed(made: bytes) -> bytes:
    """Return a header that a key in the kernel has signed."""
    return files.signed(signing_key(cache_dir()), made)


def made_header(digests: list[bytes], algo: int = SHA256) -> bytes:
    texts = b"".join(digest + b"\0" for digest in digests)
    algorithm = ALGORITHM, INT32, 1, struct.pack(">I", algo)
    return header(algorithm, (DIGESTS, STRING_ARRAY, len(digests), texts))


def digest(text: str) -> bytes:
    return sha256(text.encode()).hexdigest().encode()


def errno_of(call: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> int:
    """Return the error of a call that the kernel refuses."""
    with pytest.raises(GuestError) as refused:
        call(*args, **kwargs)
    assert refused.value.errno is not None
    return refused.value.errno


def test_the_kernel_knows_the_digests_of_the_files_alone(
    attacker: Attacker, witness: Witness, add: Add, vendor: bytes
) -> None:
    """Not the digest in the summary, nor half of a digest."""
    replaced, own = digests_in(header_of(vendor))
    assert errno_of(ask_digest, attacker, own) == ENOENT
    add(vendor)
    ask_digest(attacker, own)
    for unknown in (replaced, own[:32], own[:-1], b"", own + b"0"):
        assert errno_of(ask_digest, attacker, unknown) == ENOENT
    assert errno_of(ask_digest, attacker, own.ljust(129, b"\0")) == EMSGSIZE
    assert not witness.read().violations


@pytest.mark.parametrize(
    ("what", "errno"),
    [
        ("other digest", EKEYREJECTED),
        ("no signature", EBADMSG),
        ("cut", EMSGSIZE),
        ("too long", EMSGSIZE),
        ("far too long", EMSGSIZE),
        ("no length", EMSGSIZE),
        ("no header", EBADMSG),
        ("empty", EBADMSG),
        ("unknown algorithm", ENOPKG),
        ("no digits", EBADMSG),
    ],
)
def test_what_is_no_signed_header_is_refused(
    attacker: Attacker, witness: Witness, add: Add, vendor: bytes, what: str, errno: int
) -> None:
    """The next request is answered, and the next package is taken."""
    _, own = digests_in(header_of(vendor))
    package = {
        "other digest": vendor.replace(own, digest("another")),
        "no signature": vendor[: 4 + len(header_of(vendor))],
        "cut": vendor[: 3 + len(header_of(vendor))],
        "too long": signed(bytes((128 << 10) + 1)),
        "far too long": vendor.ljust(256 << 10, b"\0"),
        "no length": vendor[:3],
        "no header": signed(b"no header"),
        "empty": signed(b""),
        "unknown algorithm": signed(made_header([digest("a")], UNKNOWN)),
        "no digits": signed(made_header([b"x" * 64])),
    }[what]
    right = witness.read().count.right
    assert errno_of(add, package) == errno
    add(vendor)
    ask_digest(attacker, own)
    witness.wait(lambda tally: tally.count.right > right + 2, seconds=30, what="right reply")
    tally = witness.read()
    assert not (tally.count.wrong or tally.violations)


def test_digests_are_kept_while_there_is_room(attacker: Attacker, add: Add) -> None:
    """A package whose digests do not fit adds none of them. The headers are as long as can be."""
    *fitting, last = ([digest(f"{nth} {one}") for one in range(MOST)] for nth in range(5))
    assert 4 * MOST < ROOM < 5 * MOST
    assert len(made_header(last)) <= 128 << 10 < len(made_header([*last, last[0]]))
    for group in fitting:
        add(signed(made_header(group)))
    assert errno_of(add, signed(made_header(last))) == ENOSPC
    for group in fitting:
        ask_digest(attacker, group[0])
        ask_digest(attacker, group[-1])
    assert errno_of(ask_digest, attacker, last[0]) == ENOENT


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(
    "lie",
    [
        "behind the header",
        "far behind",
        "no digits",
        "no length",
        "too many",
        "no status",
        "no errno",
        "a restart",
    ],
)
def test_a_reply_that_names_no_digest_of_the_header_is_refused(
    attacker: Attacker, parked: Handler, lates: Lates, vendor: bytes, lie: str
) -> None:
    """The handler has been taken over. The kernel checks each part of its reply (C14)."""
    size = len(header_of(vendor))
    place = header_of(vendor).index(digests_in(header_of(vendor))[1])
    reply = {
        "behind the header": (0, SHA256, 64, 1, 1, 0, size - 63),
        "far behind": (0, SHA256, 64, 1, 1, 0, 0xFFFFFFFF),
        "no digits": (0, SHA256, 64, 1, 1, 0, 0),
        "no length": (0, SHA256, 0, 1, 1, 0, place),
        "too many": (0, SHA256, 64, 1, 0xFFFFFFFF, 0, place),
        "no status": (1, SHA256, 64, 1, 1, 0, place),
        "no errno": (-5000, SHA256, 64, 1, 1, 0, place),
        "a restart": (-512, SHA256, 64, 1, 1, 0, place),
    }[lie]

    def add_by_lie() -> None:
        replace_parser(attacker, parked, "umd_rpm_parse", struct.pack("<i6I", *reply))
        add_package(attacker, vendor)

    assert errno_of(partial(lates.in_time, add_by_lie)) == EINVAL


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
def test_a_digest_that_another_package_names_is_believed_rightly(
    attacker: Attacker, parked: Handler, witness: Witness, add: Add, lates: Lates, vendor: bytes
) -> None:
    """The control: what no package names is not."""
    header = header_of(vendor)
    replaced, _ = digests_in(header)
    add(signed(made_header([replaced])))

    def add_by_lie() -> None:
        replace_parser(attacker, parked, "umd_rpm_parse", forged_reply(header, replaced))
        add_package(attacker, vendor)

    lates.in_time(add_by_lie)
    ask_digest(attacker, replaced)
    assert Violation.BELIEVED not in witness.read().violations


@pytest.mark.parametrize("variant", ["baseline"], indirect=True)
@pytest.mark.parametrize(("algo", "digits"), [(SHA256, 32), (1, 64), (1, 32)])
def test_a_part_of_a_digest_or_another_algorithm_is_no_digest_of_the_package(
    attacker: Attacker,
    parked: Handler,
    witness: Witness,
    lates: Lates,
    vendor: bytes,
    algo: int,
    digits: int,
) -> None:
    header = header_of(vendor)
    _, own = digests_in(header)
    reply = struct.pack("<i6I", 0, algo, digits, 1, 1, 0, header.index(own))

    def add_by_lie() -> None:
        replace_parser(attacker, parked, "umd_rpm_parse", reply)
        add_package(attacker, vendor)

    lates.in_time(add_by_lie)
    ask_digest(attacker, own[:digits])
    assert Violation.BELIEVED in witness.read().violations

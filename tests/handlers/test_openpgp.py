# SPDX-License-Identifier: GPL-2.0-only
"""The handler of OpenPGP packets and gpg read the same from Debian's keyrings."""

from __future__ import annotations

import random
import struct
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
from handler_process import HandlerProcess, Span, running
from openpgp_packets import (
    INSTALLED,
    Packet,
    archive_keyrings,
    certificates,
    debian_keyring,
    packets_of,
)

from harness.handlers.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKET = struct.Struct("<6I18I")
ROOM = 256
ARCHIVE, DEVELOPERS = "debian-archive-keyring", "debian-keyring"
"""Packages. The first is on each Debian system, the second is fetched."""
LEAST = {ARCHIVE: 300, DEVELOPERS: 5000}
"""Packets that must be the same: far fewer would mean that the keyrings shrank."""


class Found(NamedTuple):
    """The fields of struct umd_pgp_packet (tools/umd/pgp.h)."""

    tag: int
    version: int
    type: int
    algo: int
    hash_algo: int
    created: int
    body: Span
    hashed: Span
    digest_start: Span
    issuer: Span
    fingerprint: Span
    numbers: tuple[Span, ...]


def read(reply: bytes) -> list[Found]:
    """Return the packets of a reply."""
    (count,) = struct.unpack_from("<I", reply, 4)
    found = []
    for at in range(count):
        values = PACKET.unpack_from(reply, 8 + at * PACKET.size)
        spans = [Span(*values[place : place + 2]) for place in range(6, 24, 2)]
        found.append(Found._make([*values[:6], *spans[:5], tuple(spans[5:])]))
    return found


def lengths_of(part: bytes) -> set[int]:
    """Return what gpg may print as the length of a number, in bits.

    Of an object identifier or parameters it counts all bits, with those of their length; of a
    number what is written before it, and some signers write one that begins with a zero byte.
    """
    exact = int.from_bytes(part).bit_length()
    return {exact, 8 * len(part) + 8} | ({8 * len(part)} if part[:1] == b"\0" else set())


def difference(found: Found, said: Packet, blob: bytes, start: int) -> str:
    """Return in what the reply differs from what gpg lists; empty if it does not."""
    if (found.tag, *found.body) != (said.tag, said.body - start, said.size):
        return "place"
    if found.tag not in (2, 6, 14):
        return ""
    if found.version != 4:
        return "" if f"version {found.version}" in said.text else "version"
    if said.key and (found.version, found.algo, found.created) != said.key:
        return "key"
    if said.signature:
        numbers = (found.version, found.type, found.algo, found.hash_algo, found.created)
        issuer = found.issuer.of(blob) or said.signature[-1]
        if (*numbers, found.digest_start.of(blob), issuer) != said.signature:
            return f"signature {numbers} {said.signature}"
        if found.fingerprint.of(blob) != said.fingerprint:
            return "fingerprint"
    parts = [number.of(blob) for number in found.numbers if number.length]
    lengths = [lengths_of(part) for part in parts]
    if len(lengths) != len(said.bits) and lengths:
        return f"count of numbers {lengths} {said.bits}"
    right = all(bits in length for bits, length in zip(said.bits, lengths, strict=False))
    return "" if right else f"numbers {lengths} {said.bits}"


@pytest.fixture(scope="module")
def handler(programs: Path, confine: str) -> Iterator[HandlerProcess]:
    with running(programs / "pgp", confine) as process:
        yield process


@pytest.fixture
def keyrings(package: str, request: pytest.FixtureRequest) -> list[Path]:
    """The files of a package."""
    assert request.config.cache is not None
    if package == DEVELOPERS:
        return [debian_keyring(request.config.cache.mkdir("keyrings"))]
    return archive_keyrings()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("package", [pytest.param(ARCHIVE, marks=pytest.mark.few), DEVELOPERS])
def test_the_packets_are_those_that_gpg_lists(
    handler: HandlerProcess, tmp_path: Path, package: str, keyrings: list[Path]
) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    counted: Counter[str] = Counter()
    differ = []
    for keyring in keyrings:
        content = keyring.read_bytes()
        for listed in certificates(packets_of(keyring, home)):
            start, end = listed[0].start, listed[-1].body + listed[-1].size
            blob = content[start:end]
            status = handler.status(blob)
            counted[f"certificates: {status}"] += 1
            too_many = len(listed) > ROOM
            too_long = len(blob) > RECIPES["pgp"].request_size
            expected = "EMSGSIZE" if too_long else "EOVERFLOW" if too_many else "0"
            if status != expected:
                differ.append((keyring.name, start, status))
            if status != "0":
                continue
            found = read(handler.ask(blob))
            for one, said in zip(found, listed, strict=True):
                counted[f"tag {one.tag}"] += 1
                counted["fingerprints"] += one.fingerprint.length > 0
                if what := difference(one, said, blob, start):
                    differ.append((keyring.name, said.start, what))
    print(dict(counted))  # noqa: T201
    assert differ == []
    assert sum(counted[f"tag {tag}"] for tag in (2, 6, 14)) >= LEAST[package]
    assert counted["fingerprints"]


@pytest.mark.few
def test_what_is_no_packet(handler: HandlerProcess) -> None:
    key = (INSTALLED / "debian-archive-bookworm-stable.pgp").read_bytes()
    assert handler.status(key) == "0"
    bad = (b"", b"\0", key[1:], key + b"\0", bytes(1000))
    assert [handler.status(blob) for blob in bad] == ["EBADMSG"] * len(bad)
    assert handler.status(bytes(RECIPES["pgp"].request_size + 1)) == "EMSGSIZE"
    assert handler.status(key) == "0"


@pytest.mark.few
def test_a_reply_stays_within_the_request_whatever_is_asked(handler: HandlerProcess) -> None:
    key = (INSTALLED / "debian-archive-bookworm-stable.pgp").read_bytes()
    choose = random.Random(24)  # noqa: S311 - the same bytes each time
    statuses: Counter[str] = Counter()
    for _ in range(3000):
        blob = bytearray(key[: choose.choice((len(key), choose.randrange(len(key))))])
        for _ in range(choose.randint(0, 3)):
            if blob:
                blob[choose.randrange(len(blob))] = choose.randrange(256)
        statuses[handler.status(bytes(blob))] += 1
        for one in read(handler.ask(bytes(blob))):
            spans = (one.body, one.hashed, one.digest_start, one.issuer, one.fingerprint)
            for span in (*spans, *one.numbers):
                span.of(bytes(blob))
    assert set(statuses) == {"0", "EBADMSG"}

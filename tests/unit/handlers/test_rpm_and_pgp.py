# SPDX-License-Identifier: GPL-2.0-only
"""The handlers of RPM headers and of OpenPGP packets, on requests that are made here."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from handler_process import running
from openpgp_packets import KEY

from harness.attacker.tools.certificates import OwnKey
from harness.attacker.tools.openpgp import forged_reply, with_key
from harness.guests import vendor
from harness.guests.vendor import header
from harness.host.paths import cache_dir
from harness.kernel.build.signing import signing_key

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = b"ab" * 32


def test_rpm(programs: Path, confine: str) -> None:
    algo = (5011, 4, 1, struct.pack(">I", 8))
    files = (1035, 8, 3, b"\0" + DIGEST + b"\0\0")
    whole = header(algo, files)
    with running(programs / "rpm", confine) as handler:
        reply = handler.ask(whole)
        assert struct.unpack_from("<iIIIIII", reply) == (0, 8, 64, 3, 1, 1, whole.index(DIGEST))
        refused = {
            "EBADMSG": (
                *(b"", whole[:-1], whole + b"\0", header(algo, files, files)),
                *(header(algo, (1035, 8, 4, files[3])), header(algo, (1035, 6, 3, files[3]))),
                header(algo, (1035, 8, 1, DIGEST[1:] + b"\0")),
            ),
            "ENOPKG": (header((5011, 4, 1, struct.pack(">I", 99)), files),),
            "EOVERFLOW": (header(algo, (1035, 8, 4097, (DIGEST + b"\0") * 4097)),),
            "EMSGSIZE": (bytes((1 << 20) + 1),),
        }
        for status, requests in refused.items():
            assert [handler.status(request) for request in requests] == [status] * len(requests)
        assert handler.ask(whole) == reply


def test_pgp(programs: Path, confine: str) -> None:
    old, new = bytes([0x98, len(KEY)]) + KEY, bytes([0xC6, len(KEY)]) + KEY
    with running(programs / "pgp", confine) as handler:
        for packet in (old, new):
            reply = handler.ask(packet)
            assert struct.unpack_from("<iI6I2I", reply) == (
                *(0, 1),
                *(6, 4, 0, 1, 0, 1700000000),
                *(2, len(KEY)),
            )
            assert struct.unpack_from("<4I", reply, 8 + 64) == (10, 2, 14, 1)
        partial, unknown_length = b"\xc6\xe1" + KEY, b"\x9b" + KEY
        bad = (b"", b"\0", old[:-1], old + b"\0", partial, unknown_length)
        assert [handler.status(request) for request in bad] == ["EBADMSG"] * len(bad)
        assert handler.status(old * 256) == "0"
        assert handler.status(old * 257) == "EOVERFLOW"
        assert handler.status(bytes((256 << 10) + 1)) == "EMSGSIZE"
        assert handler.ask(new) == reply


def test_the_numbers_of_a_key_on_a_curve_are_identifier_and_point(
    programs: Path, confine: str
) -> None:
    identifier, point = bytes.fromhex("2a8648ce3d030107"), b"\4" + bytes(range(64))
    head = struct.pack(">BIBB", 4, 1700000000, 19, len(identifier)) + identifier
    key = head + struct.pack(">H", 515) + point
    with running(programs / "pgp", confine) as handler:
        packet = bytes([0x98, len(key)]) + key
        numbers = struct.unpack_from("<4I", handler.ask(packet), 8 + 64)
        assert numbers == (9, len(identifier), 19, len(point))
        shorter = bytes([0x98, len(key) - 1]) + key[:-1]
        assert handler.status(shorter) == "EBADMSG"


def test_a_forged_openpgp_reply_is_the_parsers_but_for_the_numbers(
    programs: Path, confine: str
) -> None:
    """The handler itself says what is in the packets (struct umd_pgp)."""
    known = vendor.vendor_files(signing_key(cache_dir()))[vendor.OPENPGP]
    public = OwnKey().private.public_key()
    blob = with_key(known, public)
    with running(programs / "pgp", confine) as handler:
        right = handler.ask(blob)
    forged = forged_reply(blob, public)
    assert struct.unpack_from("<iI", right) == (0, 3)
    assert struct.unpack_from("<iI", forged) == (0, 3)
    differ = {at for at in range(8, len(forged)) if forged[at] != right[at]}
    first_number = 8 + 24 + 5 * 8
    assert differ and min(differ) >= first_number and max(differ) < first_number + 16
    place, length = struct.unpack_from("<II", forged, first_number)
    signature, _ = struct.unpack_from("<II", right, 8 + 2 * 96 + 24)
    assert place > signature, "in the vendor's signature"
    assert int.from_bytes(blob[place : place + length], "big") == public.public_numbers().n

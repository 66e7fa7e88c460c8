# SPDX-License-Identifier: GPL-2.0-only
"""Calls that submit requests to an io_uring, whose rings lie in memory of the program's own.

Linux 6.6 and newer take such rings. Up to 7.0 they keep the tail that the program wrote before;
later ones clear it, but can begin at the first request each time (IORING_SETUP_SQ_REWIND).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from harness.campaign.program import PAGE, Argument, Call, Data, Made, Number, Pid, Room, Text
from harness.campaign.resources import CONTENTS, FILES, NUMBERS, PIDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

Field = tuple[int, int, Argument]

_ENTRIES: Final = 4
_PARAMS, _REQUEST = 120, 64
"""The sizes of struct io_uring_params and struct io_uring_sqe (include/uapi/linux/io_uring.h)."""
_PARAMS_FLAGS, _PARAMS_REQUESTS, _PARAMS_RINGS = 8, 72, 112
_SQPOLL, _NO_MMAP, _NO_SQARRAY, _SQ_REWIND = 1 << 1, 1 << 14, 1 << 16, 1 << 20
_GETEVENTS, _SQ_WAKEUP = 1 << 0, 1 << 1
_IO_HARDLINK, _ASYNC = 1 << 3, 1 << 4
_FILE, _OFFSET, _ADDRESS, _LENGTH, _FLAGS, _SPLICE_FROM = 4, 8, 16, 24, 28, 44

_AT_FDCWD, _O_RDWR = -100, 2

_ON_FILES: Final = {"FSYNC": 3, "POLL_ADD": 6, "FALLOCATE": 17, "FADVISE": 24, "URING_CMD": 46}
_READ, _WRITE, _OPENAT, _STATX, _SPLICE, _UNLINKAT = 22, 23, 18, 21, 30, 36
_MADVISE, _WAITID, _FUTEX_WAKE = 25, 50, 52


def ring_requests(random: Random, addresses: Sequence[int], at: int) -> list[Call]:
    """Return the calls that open a file, make a ring, and submit requests about the file.

    `at` is the place of the first call in the program that is made.
    """
    path = Text(random.choice(FILES))
    opened = Call("openat", (Number(_AT_FDCWD), path, Number(_O_RDWR), Number(0)))
    requests = [_request(random, addresses, Made(at)) for _ in range(random.randint(1, _ENTRIES))]
    flags = random.choice((0, 0, _SQ_REWIND, _SQ_REWIND, _SQPOLL))
    return [opened, *submitted(requests, flags=flags, at=at + 1, wait=random.random() < 0.5)]


def submitted(requests: Sequence[Data], *, flags: int, at: int, wait: bool = True) -> list[Call]:
    """Return the calls that make a ring and submit the requests. `at` is the first one's place."""
    queue = Data(
        b"".join(request.content for request in requests),
        tuple(
            (number * _REQUEST + offset, width, field)
            for number, request in enumerate(requests)
            for offset, width, field in request.fields
        ),
        PAGE,
    )
    rings = Data(struct.pack("<II", 0, len(requests)), (), PAGE)
    params = bytearray(_PARAMS)
    struct.pack_into("<I", params, _PARAMS_FLAGS, _NO_MMAP | _NO_SQARRAY | flags)
    where = ((_PARAMS_REQUESTS, 8, queue), (_PARAMS_RINGS, 8, rings))
    enter = _GETEVENTS | (_SQ_WAKEUP if flags & _SQPOLL else 0)
    return [
        Call("io_uring_setup", (Number(_ENTRIES), Data(bytes(params), where))),
        Call(
            "io_uring_enter",
            (
                Made(at),
                Number(len(requests)),
                Number(len(requests) if wait else 0),
                *map(Number, (enter, 0, 0)),
            ),
        ),
    ]


def request(code: int, flags: int = 0, fields: Sequence[Field] = ()) -> Data:
    """Return a request (struct io_uring_sqe) with some fields: offset, width, value."""
    return Data(bytes((code, flags)) + bytes(_REQUEST - 2), tuple(fields))


def write_at(file: Argument, address: int, content: str) -> Data:
    """Return the request to write to a file at an offset."""
    return request(
        _WRITE,
        fields=(
            (_FILE, 4, file),
            (_OFFSET, 8, Number(address)),
            (_ADDRESS, 8, Text(content)),
            (_LENGTH, 4, Number(len(content))),
        ),
    )


def _request(random: Random, addresses: Sequence[int], file: Made) -> Data:
    flags = random.choice((0, 0, _IO_HARDLINK)) | random.choice((0, 0, _ASYNC))
    any_number = Number(random.choice(NUMBERS))
    address = Number(random.choice(addresses))
    path: list[Field] = [(_FILE, 4, Number(_AT_FDCWD)), (_ADDRESS, 8, Text(random.choice(FILES)))]
    on_file: Field = (_FILE, 4, file)
    match random.randrange(8):
        case 0 | 1:
            made = write_at(file, address.value, random.choice(CONTENTS))
            return Data(bytes((_WRITE, flags)) + made.content[2:], made.fields)
        case 2 | 3:
            where: Field = (_OFFSET, 8, address)
            into: Field = (_ADDRESS, 8, Room(_REQUEST))
            return request(_READ, flags, (on_file, where, into, (_LENGTH, 4, Number(_REQUEST))))
        case 4:
            code = random.choice((_OPENAT, _STATX, _UNLINKAT))
            into = (_OFFSET, 8, Room(256) if code == _STATX else Number(0))
            return request(code, flags, (*path, into, (_FLAGS, 4, any_number)))
        case 5:
            code = random.choice((_MADVISE, _FUTEX_WAKE))
            options = ((_LENGTH, 4, Number(PAGE)), (_FLAGS, 4, any_number))
            return request(code, flags, ((_ADDRESS, 8, address), (_OFFSET, 8, Number(1)), *options))
        case 6:
            pid = Pid(random.choice(PIDS))
            return request(_WAITID, flags, ((_FILE, 4, pid), (_LENGTH, 4, Number(1))))
    code = random.choice((*_ON_FILES.values(), _SPLICE))
    source: Field = (_SPLICE_FROM, 4, file)
    return request(
        code, flags, (on_file, source, (_OFFSET, 8, any_number), (_LENGTH, 4, Number(1)))
    )

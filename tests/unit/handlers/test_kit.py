# SPDX-License-Identifier: GPL-2.0-only
"""A reply depends on its own request, and may have a length of its own."""

from __future__ import annotations

import struct
from errno import EPERM
from typing import TYPE_CHECKING

from handler_process import running

from harness.handlers.build import build_handler
from harness.handlers.recipes import Recipe

if TYPE_CHECKING:
    from pathlib import Path

READS_TOO_FAR = """
#include "umd_handler.h"

static struct { __s32 status; __u32 found; } reply;

static int parse(const void *request, size_t len, void *out)
{
    const char *text = request;
    __typeof__(reply) *answer = out;

    for (; len < UMD_REQUEST_SIZE; len++)
        answer->found += text[len] != 0;
    return 0;
}

int main(void)
{
    umd_serve(parse, &reply, sizeof(reply));
    return 0;
}
"""

REPEATS = """
#include "umd_handler.h"

static struct { __s32 status; char text[8192]; } reply;

static int parse(const void *request, size_t len, void *out)
{
    __typeof__(reply) *answer = out;

    if (len == 6 || len == 7) {
        umd_reply_length(len == 6 ? 2 : 9000);
        return 0;
    }
    if (len > sizeof(answer->text)) {
        umd_reply_length(sizeof(answer->status));
        return -1;
    }
    __builtin_memcpy(answer->text, request, len);
    if (len != 5)
        umd_reply_length(sizeof(answer->status) + len);
    return 0;
}

int main(void)
{
    umd_serve(parse, &reply, sizeof(reply));
    return 0;
}
"""


def test_nothing_is_behind_a_request(tmp_path: Path, tree: Path) -> None:
    source = tmp_path / "far.c"
    source.write_text(READS_TOO_FAR)
    build_handler(Recipe(str(source), request_size=64), tmp_path / "far", tree=tree)
    with running(tmp_path / "far", reply_size=8) as handler:
        for size in (64, 10, 3, 100, 0, 40, 65, 64, 7):
            assert handler.ask(b"x" * size)[4:] == bytes(4), size


def test_a_reply_has_the_length_that_the_parser_says(tmp_path: Path, tree: Path) -> None:
    """The longest does not fit one write. Without a word of the parser, a reply has all bytes."""
    source = tmp_path / "repeats.c"
    source.write_text(REPEATS)
    build_handler(Recipe(str(source), request_size=9000), tmp_path / "repeats", tree=tree)
    size = 4 + 8192
    with running(tmp_path / "repeats", reply_size=size) as handler:
        for count in (0, 1, 4096, 4097, 8192, 3):
            request = bytes([count % 251 + 1]) * count
            assert handler.ask(request, length=4 + count) == bytes(4) + request
        assert handler.ask(b"whole").rstrip(b"\0") == bytes(4) + b"whole"
        assert handler.ask(bytes(9000), length=4) == struct.pack("<i", -EPERM)
        assert handler.ask(bytes(6), length=4) == bytes(4), "at least the status"
        assert handler.ask(bytes(7)) == bytes(size), "no more than there is"

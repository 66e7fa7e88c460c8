# SPDX-License-Identifier: GPL-2.0-only
"""A reply depends on its own request: nothing of an earlier one is left."""

from __future__ import annotations

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


def test_nothing_is_behind_a_request(tmp_path: Path, tree: Path) -> None:
    source = tmp_path / "far.c"
    source.write_text(READS_TOO_FAR)
    build_handler(Recipe(str(source), request_size=64), tmp_path / "far", tree=tree)
    with running(tmp_path / "far", reply_size=8) as handler:
        for size in (64, 10, 3, 100, 0, 40, 65, 64, 7):
            assert handler.ask(b"x" * size)[4:] == bytes(4), size

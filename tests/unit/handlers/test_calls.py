# SPDX-License-Identifier: GPL-2.0-only
"""A handler that could make another system call than read, write and exit is not built."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.handlers.build import build_handler, main
from harness.handlers.calls import check_calls
from harness.handlers.recipes import RECIPES, Recipe
from harness.host.errors import UserError

HANDLER = """
#include "umd_handler.h"

static struct {{ __s32 status; __u32 count; }} reply;

static int parse(const void *request, size_t len, void *out)
{{
    const char *text = request;
    __typeof__(reply) *answer = out;

    for (; len; len--)
        answer->count += *text++ == '\\n';
    {more};
    return 0;
}}

int main(void)
{{
    umd_serve(parse, &reply, sizeof(reply));
    return 0;
}}
"""

REFUSED = {
    "getpid()": "own makes the system call 39 at 0x",
    "my_syscall0(answer->count)": "own makes a system call of unknown number at 0x",
    'asm volatile("int $0x80")': "own enters the kernel by `int 0x80` at 0x",
    "malloc(answer->count + 1)": "own makes the system call 9 at 0x",
}


def own(folder: Path, more: str = "") -> Path:
    source = folder / "own.c"
    source.write_text(HANDLER.format(more=more))
    return source


@pytest.mark.parametrize("more", REFUSED)
def test_another_call_is_refused(tmp_path: Path, tree: Path, more: str) -> None:
    recipe = Recipe(str(own(tmp_path, more)))
    with pytest.raises(UserError) as refused:
        build_handler(recipe, tmp_path / "own", tree=tree)
    assert refused.value.message.startswith(REFUSED[more])
    assert not (tmp_path / "own").exists()


def test_a_program_with_libraries_is_refused() -> None:
    with pytest.raises(UserError, match="true is not static"):
        check_calls(Path("/bin/true"))


def test_ours_make_the_three(programs: Path) -> None:
    for name in RECIPES:
        assert all(check_calls(programs / name).values())


def test_an_own_handler_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "made"), "--source", str(own(tmp_path))]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/made/own: ")
    assert check_calls(tmp_path / "made" / "own")["read"] == 1


def test_a_handler_that_does_not_compile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--source", str(own(tmp_path, "nothing"))]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"umd-harness: {tmp_path}/own.c does not build: ")
    assert said.endswith("; correct the file\n")


def test_a_source_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--source", str(tmp_path / "none.c")]) == 2
    assert "none.c does not build: " in capsys.readouterr().err

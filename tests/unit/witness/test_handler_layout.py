# SPDX-License-Identifier: GPL-2.0-only
"""A handler's variables and writable memory, from programs that the compiler makes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.witness.handler_layout import process_layout, thread_layout

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
unsigned char secret[32], chain[32], request[56], reply[56];
int answer = 42;
void _start(void) { reply[0] = answer; for (;;) ; }
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A static program with data and zeroed memory."""
    return compiled(tmp_path, SOURCE, "-static", "-nostdlib", "-no-pie", "-fno-pie")


def compiled(folder: Path, source: str, *options: str) -> Path:
    (folder / "handler.c").write_text(source)
    path = folder / "handler"
    command = ["cc", *options, "-o", str(path), str(folder / "handler.c")]
    subprocess.run(command, check=True, timeout=60)
    return path


def test_a_processs_writable_memory_starts_as_in_its_file(program: Path) -> None:
    layout = process_layout(program)
    assert len({layout.secret, layout.chain, layout.request}) == 3
    memory = b"".join(segment.data for segment in layout.segments)
    assert len(memory) % 4096 == 0
    assert (42).to_bytes(4, "little") in memory
    for segment in layout.segments:
        if segment.address <= layout.secret < segment.address + len(segment.data):
            data = bytearray(segment.data)
            data[layout.secret - segment.address] = 1
            assert layout.foreign(segment.address, bytes(data)) == segment.data
            data[-1] = 1  # behind all variables
            assert layout.foreign(segment.address, bytes(data)) != segment.data
            return
    pytest.fail("no writable segment has the secret")


def test_a_threads_variables_are_found_by_its_chain(tmp_path: Path) -> None:
    module = compiled(tmp_path, SOURCE, "-c")
    layout = thread_layout(module, 0xFFFFFFFFC0001000)
    here = {layout.secret, layout.chain, layout.request}
    assert layout.chain == 0xFFFFFFFFC0001000
    assert len(here) == 3
    assert max(here) - min(here) < 4096
    assert layout.segments == ()


def test_a_program_without_the_variables_is_no_handler(tmp_path: Path) -> None:
    program = compiled(tmp_path, "int main(void) { return 0; }")
    with pytest.raises(UserError, match="has no variable chain"):
        process_layout(program)

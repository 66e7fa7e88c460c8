# SPDX-License-Identifier: GPL-2.0-only
"""Each handler stands a short fuzzing, and a fuzzer finds a planted bug of one byte.

The part `fuzz-few` of tox.ini fuzzes for longer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fuzz_seeds import made_seeds, write_seeds

from harness.handlers.fuzz import build_fuzzer, fuzz, main
from harness.handlers.recipes import RECIPES

KEPT = "; the input is "


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(folder, made_seeds(tmp_path_factory.mktemp("signing")))
    return str(folder)


def test_a_short_fuzzing_finds_nothing(
    seeds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--seeds", seeds, "--seconds", "2", "--jobs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, said in zip(RECIPES, lines, strict=True):
        assert said.startswith(f"{name}: ")
        assert said.endswith(" features, no crash")
        assert int(said.split()[1]) >= len(list(Path(seeds, name).iterdir()))


def test_lines_are_in_the_order_of_the_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "rpm", "pgp", "--seconds", "1", "--jobs", "2"]) == 0
    names = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["rpm", "pgp"]


def test_an_interrupt_ends_all_fuzzers(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "harness.handlers.fuzz", str(tmp_path), "rpm", "pgp"]
    argv += ["--seconds", "60000", "--jobs", "2"]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while not all((tmp_path / f"{name}.corpus").is_dir() for name in ("rpm", "pgp")):
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        try:
            assert process.wait(timeout=300) != 0
        finally:
            process.kill()


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_a_number_of_jobs_that_is_none(
    jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "made"), "--jobs", jobs])
    assert "--jobs" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


WRONG = """
#include "umd_handler.h"

static struct { __s32 status; __u32 value; } reply;

static int parse(const void *request, size_t len, void *out)
{
    static unsigned int asked;
    const char *text = request;
    __typeof__(reply) *answer = out;

    (void)asked, (void)text, (void)len;
    answer->value = %s;
    return 0;
}

int main(void)
{
    umd_serve(parse, &reply, sizeof(reply));
    return 0;
}
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "text[len]",
            "heap-buffer-overflow, in the handler at {source}:13; ",
        ),
        ("++asked", "!memcmp(earlier, reply, reply_size), "),
        ("((char *)umd_alloc(7))[7]", "use-after-poison, "),
    ],
    ids=["past the request", "not the same twice", "past what was allocated"],
)
def test_what_is_wrong_in_a_handler_of_yours(
    code: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "wrong.c"
    source.write_text(WRONG % code)
    assert main([str(tmp_path / "made"), "--source", str(source), "--seconds", "300"]) == 1
    assert said.format(source=source) in capsys.readouterr().out


@pytest.mark.parametrize("name", RECIPES)
def test_a_planted_bug_is_found(
    name: str, seeds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The time is that of a busy host; the fuzzer ends with what it finds."""
    argv = [str(tmp_path), name, "--seeds", seeds, "--seconds", "300", "--planted"]
    assert main(argv) == 1
    said, kept = capsys.readouterr().out.strip().split(KEPT)
    assert " executions, CRASH: " in said
    assert ", in the handler at " in said
    assert Path(kept).parent == tmp_path
    assert Path(kept).is_file()


def test_a_bug_of_the_kernel_is_told_apart(tree: Path, seeds: str, tmp_path: Path) -> None:
    """In a tree whose decoder reads a byte too many."""
    (tmp_path / "lib").mkdir()
    for name in ("include", "scripts", "crypto"):
        (tmp_path / name).symlink_to(tree / name)
    for file in (tree / "lib").iterdir():
        (tmp_path / "lib" / file.name).symlink_to(file)
    decoder = tmp_path / "lib" / "asn1_decoder.c"
    text = decoder.read_text()
    decoder.unlink()
    decoder.write_text(
        text.replace("if (datalen > 65535)", "if (data[datalen] && datalen > 65535)")
    )
    assert decoder.read_text() != text
    recipe = RECIPES["x509"]
    build_fuzzer("x509", recipe, tmp_path / "x509", tree=tmp_path, planted=False)
    found = fuzz(tmp_path / "x509", recipe, seeds=Path(seeds, "x509"), seconds=300, tree=tmp_path)
    assert f", in the kernel's own code at {decoder}:" in found.complaint
    assert found.input is not None
    assert found.input.is_file()


def test_a_handler_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "x50"])
    assert "there is no handler x50; take x509, pkcs7, pgp, rpm" in capsys.readouterr().err

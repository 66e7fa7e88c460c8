# SPDX-License-Identifier: GPL-2.0-only
"""From a line to its image, with the miniature kernel: what is built again, and what is not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from gone_process import gone
from hand_clock import HandClock
from miniature_kernel import FILES, LINE, MAKEFILE, SERIES, Miniature, make_miniature, pack

from harness.host.errors import UserError
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest, plan_build
from harness.kernel.series.series_file import load_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.kernel.build.images import KernelImage


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return make_miniature(tmp_path)


def build(mini: Miniature, said: list[str] | None = None, *, space: int = 0) -> KernelImage:
    lines: list[str] = [] if said is None else said
    workspace = replace(mini.workspace, free_space=space)
    return kernel_image(BuildRequest(LINE), progress=lines.append, workspace=workspace)


def compiled(said: list[str]) -> set[str]:
    return {line.rpartition("CC ")[2] for line in said if ", CC " in line}


def reasons(said: list[str]) -> list[str]:
    """What was said of why something is compiled."""
    return [line for line in said if "changed" in line or "no objects" in line]


def images(mini: Miniature) -> list[Path]:
    folder = mini.cache / "images"
    return list(folder.iterdir()) if folder.is_dir() else []


def test_an_image_is_built_then_found(mini: Miniature) -> None:
    said: list[str] = []
    image = build(mini, said)
    assert reasons(said) == ["kernel: no objects yet, so all is compiled"]
    assert image.bzimage.stat().st_size > 0
    assert image.symbol("fork_hook") >= 0
    assert [path.name for path in image.modules] == ["loader.ko"]
    assert (image.handlers / "handler").is_file()
    assert "CONFIG_WITNESS=y" in image.config.read_text()
    assert "library" in image.build_log.read_text()
    assert set(image.meta) >= {"line", "source", "series", "config", "tools", "signing"}
    said.clear()
    assert build(mini, said) == image
    assert said == []


def test_one_overlay_file_changed_compiles_one_file(mini: Miniature) -> None:
    first = build(mini)
    (mini.patches / "overlay/kernel/library.c").write_text("int library(void) { return 5; }\n")
    said: list[str] = []
    second = build(mini, said)
    assert second.key != first.key
    assert compiled(said) <= {"kernel/library.o"}
    assert reasons(said) == ["source: changed kernel/library.c"]
    log = (mini.built / "build.log").read_text()
    assert log.count("  CC ") == 1
    assert "tinyconfig" not in log  # no input of the configuration changed
    assert first.bzimage.is_file()


@pytest.mark.parametrize("name", ["base.config", "witness.config"])
def test_a_changed_fragment_is_another_image(mini: Miniature, name: str) -> None:
    first = build(mini)
    with (mini.patches / "config" / name).open("a") as fragment:
        fragment.write("CONFIG_MORE=y\n")
    said: list[str] = []
    second = build(mini, said)
    assert reasons(said) == ["configuration: changed, so what depends on it is compiled again"]
    assert second.key != first.key
    assert "CONFIG_MORE=y" in second.config.read_text()


def test_a_line_has_options_of_its_own_and_lacks_others(mini: Miniature) -> None:
    first = build(mini)
    path = mini.patches / LINE / "series.toml"
    path.write_text(path.read_text() + "[lacks]\nVANISHES = 'it came later'\n")
    with pytest.raises(UserError, match="names VANISHES, which no fragment asks for"):
        build(mini)
    with (mini.patches / "config/base.config").open("a") as fragment:
        fragment.write("CONFIG_VANISHES=y\n")
    (mini.patches / LINE / "line.config").write_text("CONFIG_OWN=y\n")
    second = build(mini)
    assert second.key != first.key
    assert "CONFIG_OWN=y" in second.config.read_text()
    assert "VANISHES" not in second.config.read_text()
    (mini.patches / LINE / "line.config").write_text("CONFIG_TINY=y\n")
    path.write_text(path.read_text().replace("VANISHES =", "TINY ="))
    (mini.patches / "config/base.config").write_text("CONFIG_BASE=y\n")
    with pytest.raises(UserError, match="is said to lack TINY, and has it"):
        build(mini)


def test_another_compiler_is_another_image(
    mini: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(mini)
    gcc = tmp_path / "bin/gcc"
    gcc.parent.mkdir()
    gcc.write_text('#!/bin/sh\n[ "$1" = --version ] && echo gcc 99 || exec /usr/bin/gcc "$@"\n')
    gcc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gcc.parent}:{os.environ['PATH']}")
    assert build(mini).key != first.key


def test_vanished_option_stops_the_build(mini: Miniature) -> None:
    (mini.patches / "config/witness.config").write_text("CONFIG_VANISHES=y\n")
    with pytest.raises(UserError, match=r"CONFIG_VANISHES=y \(.*MISSING_PREREQUISITE"):
        build(mini)
    assert images(mini) == []


def test_no_disk_space(mini: Miniature) -> None:
    with pytest.raises(UserError, match=r"needs 1048576\.0 GiB free.*XDG_CACHE_HOME"):
        build(mini, space=1 << 50)
    assert not (mini.built / "source").exists()


def test_a_path_that_make_cannot_take(mini: Miniature) -> None:
    with pytest.raises(UserError, match="takes no space or colon"):
        build(Miniature(mini.sources, mini.patches, mini.cache / "with space"))


def test_failing_make_quotes_the_error_and_the_log(mini: Miniature) -> None:
    (mini.patches / "overlay/kernel/library.c").write_text("int library(void) { return x; }\n")
    with pytest.raises(UserError, match=r"library\.c:1:.*error: .*; see .*/build\.log") as caught:
        build(mini)
    log = caught.value.hint.removeprefix("see ")
    assert log == str(mini.built / "build.log")
    assert images(mini) == []
    (mini.patches / "overlay/kernel/library.c").write_text("int library(void) { return 0; }\n")
    assert build(mini).bzimage.is_file()


def test_of_many_errors_the_first_one_is_told(mini: Miniature) -> None:
    wrong = "".join(f"int wrong_{n}(void) {{ return absent_{n}; }}\n" for n in range(500))
    (mini.patches / "overlay/kernel/library.c").write_text(wrong)
    with pytest.raises(UserError) as caught:
        build(mini)
    log = (mini.built / "build.log").read_text()
    assert log.count(" error: ") == 500
    said = str(caught.value)
    assert re.search(r"library\.c:1:\d+: error: .absent_0. undeclared", said)
    assert "\n" not in said
    assert "absent_1" not in said


def test_a_silent_make_is_ended(
    mini: Miniature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_make(mini, tmp_path / "sleeper")
    monkeypatch.setattr("harness.kernel.build.make._QUIET_LIMIT", 5.0)
    with pytest.raises(UserError, match="make printed nothing for 5 s"):
        build(mini)
    assert gone(int((tmp_path / "sleeper").read_text()))


def linked(said: list[str]) -> str:
    """What was said of the objects when all were compiled."""
    return next(line for line in reversed(said) if ", LD " in line)


def test_progress_counts_towards_the_last_build_from_nothing(
    mini: Miniature, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.kernel.build.counter.time", HandClock())
    said: list[str] = []
    build(mini, said)
    assert linked(said).startswith("kernel: 5 of about 2000 objects, ")
    (mini.patches / "overlay/kernel/library.c").write_text("int other;\n")
    said.clear()
    build(mini, said)
    assert linked(said).startswith("kernel: 1 objects, ")
    pack(mini.sources, {**FILES, "lib/string.c": "int string;\n"})
    said.clear()
    build(mini, said)
    assert linked(said).startswith("kernel: 5 of 5 objects, about 0 s left, ")
    pack(mini.sources, {**FILES, "lib/new.c": "int new;\n"})
    said.clear()
    build(mini, said)
    assert linked(said).startswith("kernel: 6 objects, "), "the total was too low"


def test_the_key_is_the_hash_of_the_inputs_in_their_order(mini: Miniature) -> None:
    """An image of an earlier version stays valid."""
    plan = plan_build(BuildRequest(LINE), mini.workspace, progress=lambda _: None)
    digest = hashlib.sha256()
    for name in (LINE, "source", "series", "config", "tools", "signing"):
        for piece in (name.encode(), plan.meta.get(name, "").encode()):
            digest.update(len(piece).to_bytes(8, "little") + piece)
    assert plan.key == digest.hexdigest()


def test_missing_handler_is_named(mini: Miniature) -> None:
    path = mini.patches / LINE / "series.toml"
    path.write_text(SERIES.replace("kernel/handler", "kernel/other"))
    with pytest.raises(UserError, match="made no handler kernel/other"):
        build(mini)
    assert images(mini) == []


def test_a_module_of_a_former_series_is_not_taken(mini: Miniature) -> None:
    build(mini)
    (mini.built / "objects/kernel/former.ko").write_text("stale")
    (mini.patches / "overlay/kernel/library.c").write_text("int other;\n")
    assert [path.name for path in build(mini).modules] == ["loader.ko"]


def test_witness_calls_and_injectable_functions_are_listed(mini: Miniature) -> None:
    rule = (
        "modules: witness\nwitness: bzImage\n\t@mkdir -p $(O)/kernel/umd_witness\n"
        "\t@ar rcs $(O)/kernel/umd_witness/built-in.a $(O)/kernel/witness/core.o\n"
    )
    injectable = "int f(void);\nALLOW_ERROR_INJECTION(should_fail, ERRNO);\n"
    pack(
        mini.sources,
        {**FILES, "Makefile": MAKEFILE + rule, "mm/failslab.h": injectable},
    )
    core = "extern int outside(void);\nint own(void) { return 1; }\n"
    core += "int witness(void) { return own() + outside(); }\n"
    (mini.patches / "overlay/kernel/witness/core.c").write_text(core)
    image = build(mini)
    assert (image.directory / "witness-undefined.txt").read_text().split() == ["outside"]
    assert (image.directory / "error-injection.txt").read_text().split() == ["should_fail"]


def test_a_series_that_changes_while_it_is_applied(mini: Miniature) -> None:
    def change(text: str) -> None:
        if text.startswith("configuration"):
            (mini.patches / "overlay/kernel/library.c").write_text("int later;\n")

    with pytest.raises(UserError, match="changed while it was applied"):
        kernel_image(BuildRequest(LINE), progress=change, workspace=mini.workspace)
    assert images(mini) == []
    assert len(load_series(LINE, patches=mini.patches).commits) == 2


PROGRAM = """
import json, pathlib, sys
from harness.kernel.build.build import kernel_image
from harness.kernel.build.plan import BuildRequest, Workspace
sources, patches, cache = map(pathlib.Path, json.loads(sys.argv[1]))
kernel_image(BuildRequest("6.12"), progress=lambda text: print(text, flush=True),
             workspace=Workspace(cache, patches, sources, free_space=0))
"""


def start_build(mini: Miniature) -> subprocess.Popen[str]:
    paths = json.dumps([str(mini.sources), str(mini.patches), str(mini.cache)])
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


GRANDCHILD = "sleep 300 & echo $$! > {}; wait"
CHILD = "echo $$$$ > {}; exec sleep 300"


def slow_make(mini: Miniature, marker: Path, command: str = GRANDCHILD) -> None:
    """Make bzImage wait for what writes its pid to `marker`."""
    rule = f"\t@echo '  CC      slow.o'; {command.format(marker)}\n"
    makefile = MAKEFILE.replace("bzImage: $(OBJECTS)\n", "bzImage: $(OBJECTS)\n" + rule)
    pack(mini.sources, {**FILES, "Makefile": makefile})


def test_ctrl_c_ends_make_and_publishes_nothing(mini: Miniature, tmp_path: Path) -> None:
    marker = tmp_path / "sleeper"
    slow_make(mini, marker)
    with start_build(mini) as harness:
        try:
            wait_for(lambda: marker.is_file() and marker.read_text().strip(), harness)
            harness.send_signal(signal.SIGINT)
            _, errors = harness.communicate(timeout=120)
        finally:
            harness.kill()
    assert "KeyboardInterrupt" in errors
    assert gone(int(marker.read_text()))
    assert images(mini) == []
    pack(mini.sources, FILES)
    assert build(mini).bzimage.is_file()


def test_two_processes_build_once(mini: Miniature) -> None:
    with start_build(mini) as first, start_build(mini) as second:
        outputs = [process.communicate(timeout=120) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    unpacked = [text for text, _ in outputs if "source: unpacking" in text]
    assert len(unpacked) == 1


def test_a_build_takes_over_from_one_that_was_killed(mini: Miniature, tmp_path: Path) -> None:
    """Its make ends with it, so that two never work in one tree."""
    marker = tmp_path / "sleeper"
    slow_make(mini, marker, CHILD)
    with start_build(mini) as first:
        wait_for(lambda: marker.is_file() and marker.read_text().strip(), first)
        with start_build(mini) as second:
            try:
                assert second.stdout is not None
                assert "another process builds this line" in second.stdout.readline()
                pack(mini.sources, FILES)
            finally:
                first.kill()
            said, errors = second.communicate(timeout=120)
    assert second.returncode == 0, said + errors
    assert gone(int(marker.read_text()))
    (image,) = images(mini)
    assert (image / "bzImage").stat().st_size


def wait_for(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)

# SPDX-License-Identifier: GPL-2.0-only
"""Files of the user's own: what they may import, and how what is wrong with one is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from small_corpus import changed

from harness.brought.options import Brought, brought_or_all, not_run, with_brought
from harness.brought.scenario_files import load_scenario_files
from harness.host.errors import UserError
from harness.model.cell import Cell
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.scenarios import Scenario

REGISTER = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="{row}", answers=())
def {name}(attacker, handler):
    "Do what I think of."
"""


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """The way modules are found, as it was."""
    modules, path = dict(sys.modules), list(sys.path)
    yield
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.path[:] = path


def file(folder: Path, code: str, *, name: str = "mine", row: str = "mine") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(code + REGISTER.format(name=name, row=row))
    return path


def loaded(*paths: Path) -> dict[str, Scenario]:
    """The scenarios that the files declare."""
    found = load_scenario_files(paths, SHIPPED).scenarios
    return {name: found[name] for name in found.keys() - SHIPPED.scenarios.keys()}


def told(path: Path) -> str:
    with pytest.raises(UserError) as error:
        loaded(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("statement", ["from .beside import ROW", "from beside import ROW"])
def test_it_may_import_what_lies_beside_it(tmp_path: Path, statement: str) -> None:
    (tmp_path / "beside.py").write_text("ROW = 'beside'\n")
    path = file(tmp_path, f"{statement}\n")
    path.write_text(path.read_text().replace('"mine"', "ROW"))
    mine = loaded(path)["mine"]
    assert mine.surface == "beside"
    assert mine.origin == ("--scenario", str(path))


def test_what_lies_beside_it_hides_nothing_installed(tmp_path: Path) -> None:
    (tmp_path / "errno.py").write_text("raise OSError\n")
    (tmp_path / "wave.py").write_text("raise OSError\n")  # which nobody has imported yet
    assert "wave" not in sys.modules
    loaded(file(tmp_path, "import errno, wave\n"))


def test_two_files_of_one_name_have_their_own_beside_them(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        path = file(tmp_path / folder, "from .beside import ROW\n")
        text = path.read_text().replace('"mine"', "ROW").replace("def mine", f"def {folder}_own")
        path.write_text(text)
        (path.parent / "beside.py").write_text(f"ROW = {folder!r}\n")
    found = loaded(tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py")
    assert {name: one.surface for name, one in found.items()} == {"a_own": "a", "b_own": "b"}


def test_an_import_while_the_attack_runs_still_finds_it(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("ROW = 'beside'\n")
    path = file(tmp_path, "")
    path.write_text(path.read_text() + "    from .beside import ROW\n    return ROW\n")
    assert loaded(path)["mine"].attack(None, None) == "beside"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("x = 1\nraise RuntimeError('no')\n", 2, "RuntimeError: no; correct the scenario file"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3; "),
        ("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax; "),
        ("from . import absent\n", 1, "ImportError: cannot import name 'absent'"),
        ("from ... import absent\n", 1, "ImportError: attempted relative import beyond"),
        (REGISTER.format(name="nothing", row=""), 4, "there is a scenario nothing already; "),
        (
            "from pathlib import Path\nfrom harness.brought.attack_program import attack_program\n"
            "attack_program(Path('/absent'))\n",
            3,
            "there is no attack program /absent: No such file or directory; name a static",
        ),
    ],
    ids=["raises", "leaves", "syntax", "import", "beyond", "taken", "program"],
)
def test_what_is_wrong_is_told_by_its_line(tmp_path: Path, code: str, line: int, said: str) -> None:
    path = file(tmp_path, code)
    assert told(path).startswith(f"{path}:{line}: {said}")


@pytest.mark.parametrize(
    ("code", "line"), [("x = 1\n1 / 0\n", 2), ("def f(:\n", 1)], ids=["raises", "syntax"]
)
def test_what_is_wrong_beside_it_is_told_by_that_files_line(
    tmp_path: Path, code: str, line: int
) -> None:
    (tmp_path / "beside.py").write_text(code)
    path = file(tmp_path, "import beside\n")
    assert told(path).startswith(f"{tmp_path / 'beside.py'}:{line}: ")


def test_a_file_that_declares_nothing_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    assert "empty.py declares no scenario; decorate a function" in told(tmp_path / "empty.py")
    assert "there is no scenario file" in told(tmp_path / "absent.py")
    (tmp_path / "mine.txt").write_text("")
    assert "is not a Python file" in told(tmp_path / "mine.txt")
    assert "is not a Python file" in told(tmp_path)
    (tmp_path / "binary.py").write_bytes(b"\0\xff")
    assert "binary.py" in told(tmp_path / "binary.py")


def test_a_file_that_declares_a_name_twice(tmp_path: Path) -> None:
    path = file(tmp_path, REGISTER.format(name="mine", row=""))
    assert told(path).startswith(f"{path}:10: ValueError: scenario mine is declared twice; ")


def test_nothing_brought_adds_nothing() -> None:
    assert Brought().added_to(SHIPPED) is SHIPPED
    assert Brought().words() == []


def test_what_is_brought_runs_alone_unless_an_expression_chooses() -> None:
    cells = [Cell("6.12", "isolated", "ptrace_seize"), Cell("6.12", "isolated", "dev_mem")]
    brought = changed(SHIPPED, "dev_mem", origin=("--scenario", "mine.py"))
    assert brought_or_all(cells, brought, None) == cells[1:]
    assert brought_or_all(cells, SHIPPED, None) == cells
    assert brought_or_all(cells, brought, "ptrace_seize") == cells


def test_a_file_of_which_an_expression_matches_nothing_runs_beside_the_matches() -> None:
    names = ("ptrace_seize", "dev_mem", "proc_mem_write")
    mine = changed(SHIPPED, "dev_mem", origin=("--attack", "mine.c"))
    cells = [Cell("6.12", variant, name) for variant in ("baseline", "isolated") for name in names]
    shipped, own = cells[0], cells[4]
    assert with_brought([shipped], cells, mine) == [shipped, cells[1], own]
    assert with_brought([own], cells, mine) == [own]
    assert with_brought([shipped], cells, SHIPPED) == [shipped]
    assert (not_run([shipped], mine), not_run([own], mine)) == (["dev_mem"], [])

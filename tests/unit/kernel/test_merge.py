# SPDX-License-Identifier: GPL-2.0-only
"""Merges of one file: lists get what both sides add, and everything else conflicts."""

from __future__ import annotations

import pytest

from harness.kernel.source.lists import COUNTED, Conflict
from harness.kernel.source.merge import Merged, merge

IDS = "#define LSM_ID_IMA 111\n#define LSM_ID_EVM 112\n\n/* more */\n"
KCONFIG = 'source "security/ipe/Kconfig"\n\nsource "security/integrity/Kconfig"\n'
MAKEFILE = "obj-$(CONFIG_IPE) += ipe/\n\nobj-y += last.o\n"
COUNT = """\
#if IS_ENABLED(CONFIG_IPE)
#define IPE_ENABLED 1,
#else
#define IPE_ENABLED
#endif

/* The count. */
#define MAX_LSM_COUNT \\
	COUNT_LSMS( \\
		EVM_ENABLED	\\
		IPE_ENABLED)

#endif
"""


def counted(name: str) -> str:
    """The file of counted modules with another module."""
    block = COUNT[: COUNT.index("/*")]
    ours = COUNT.replace("/*", block.replace("IPE", name) + "/*", 1)
    return ours.replace("IPE_ENABLED)", f"IPE_ENABLED\t\\\n\t\t{name}_ENABLED)")


def merged(name: str, here: str, base: str, there: str) -> Merged | Conflict:
    return merge(name, here.encode(), base.encode(), there.encode())


CONFIG = "config UMD\n\tbool\n\thelp\n\t  Umd.\n"
BOTH_ADD = {
    "include/uapi/linux/lsm.h": (IDS, "112\n", "#define UMD 7\n", "#define TSEM 8\n"),
    "security/Kconfig": (KCONFIG, '"security/ipe/Kconfig"\n', CONFIG, 'source "tsem/Kconfig"\n'),
    "security/Makefile": (MAKEFILE, "ipe/\n", "obj-$(UMD) += umd/\n", "obj-$(TSEM)\t+= tsem.o\n"),
    "kernel/fork.c": (
        "#include <a.h>\n\nint a;\n",
        "a.h>\n",
        "#include <b.h>\n",
        "#include <c.h>\n",
    ),
    "MAINTAINERS": ("F:\ta/\n\nNEXT\n", "a/\n", "F:\tb/\n", "L:\tlist\nX:\td/\n"),
    "Documentation/a.rst": ("one\n\ntwo\n", "one\n", "of ours\n", "of theirs\n"),
}


@pytest.mark.parametrize("name", BOTH_ADD)
def test_both_add_to_a_list(name: str) -> None:
    base, place, ours, theirs = BOTH_ADD[name]
    sides = [base.replace(place, place + text, 1) for text in (ours, theirs, ours + theirs)]
    found = merged(name, sides[0], base, sides[1])
    assert isinstance(found, Merged)
    assert found.text.decode() == sides[2]
    assert found.lists == (2 + base[: base.index(place)].count("\n"),)


def test_both_add_a_counted_module() -> None:
    found = merged(COUNTED, counted("UMD"), COUNT, counted("TSEM"))
    assert isinstance(found, Merged)
    assert "#endif\n\n#if IS_ENABLED(CONFIG_UMD)\n#define UMD_EN" in found.text.decode()
    assert "#endif\n\n#if IS_ENABLED(CONFIG_TSEM)\n#define TSEM_EN" in found.text.decode()
    end = "\t\\\n\t\tIPE_ENABLED\t\\\n\t\tUMD_ENABLED\t\\\n\t\tTSEM_ENABLED)\n\n#endif\n"
    assert found.text.decode().endswith(f"\t\tEVM_ENABLED{end}")
    third = merged(COUNTED, found.text.decode(), COUNT, counted("NEW"))
    assert isinstance(third, Merged)
    assert third.text.decode().endswith(
        "UMD_ENABLED\t\\\n\t\tTSEM_ENABLED\t\\\n\t\tNEW_ENABLED)\n\n#endif\n"
    )


def test_equal_numbers_are_found() -> None:
    ours, theirs = (IDS.replace("112\n", f"112\n#define {name} 113\n") for name in ("A", "B"))
    found = merged("include/uapi/linux/lsm.h", ours, IDS, theirs)
    assert isinstance(found, Merged)
    assert found.twice == ("A", "B")


def test_changes_of_different_lines_are_merged_without_a_list() -> None:
    lines = "".join(f"int line_{number};\n" for number in range(6))
    ours, theirs = lines.replace("line_1", "ours"), lines.replace("line_3", "theirs")
    both = ours.replace("line_3", "theirs")
    assert merged("kernel/fork.c", ours, lines, theirs) == Merged(both.encode())


NOT_LISTS = {
    "members of a struct": ("a.h", "\tint a;\n", "\tint b;\n", "\tint c;\n"),
    "statements": ("a.c", "\ta();\n", "\tb();\n", "\tc();\n"),
    "a definition twice": ("a.h", "#define A 1\n", "#define B 1\n", "#define B 2\n"),
    "half a condition": ("a.h", "#define A 1\n", "#if X\n", "#define B 2\n"),
    "a branch": ("a.h", "#if A\n", "#else\n", "#define B 2\n"),
    "a line that goes on": ("a.h", "#define A \\\n", "#define B 1\n", "#define C 2\n"),
    "properties of an option": ("Kconfig", "config A\n", "\tselect B\n", "\tselect C\n"),
    "an option and a property": ("Kconfig", "config A\n", "config B\n", "\tselect C\n"),
    "a condition of options": ("Kconfig", "config A\n", "if B\nconfig C\nendif\n", "config D\n"),
    "a rule": ("Makefile", "obj-y += a.o\n", "b.o: b.c\n", "obj-y += c.o\n"),
    "a value": ("Makefile", "obj-y += a.o\n", "CC := x\n", "obj-y += c.o\n"),
    "a list that goes on": ("Makefile", "obj-y += a.o \\\n", "b.o\n", "c.o\n"),
    "options of the documentation": ("Documentation/Kconfig", "config A\n", "\tb\n", "\tc\n"),
    "a script": ("scripts/a.sh", "a\n", "b\n", "c\n"),
}


@pytest.mark.parametrize("name", NOT_LISTS)
def test_what_is_no_list_conflicts(name: str) -> None:
    file, base, ours, theirs = NOT_LISTS[name]
    found = merged(file, base + ours + "\nend\n", base + "\nend\n", base + theirs + "\nend\n")
    assert isinstance(found, Conflict)


def test_changes_of_the_same_line_conflict() -> None:
    found = merged("a.h", "#define A 2\n", "#define A 1\n", "#define A 3\n")
    assert found == Conflict(("#define A 2\n",), ("#define A 1\n",), ("#define A 3\n",))


def test_another_change_of_the_counted_modules_conflicts() -> None:
    removed = COUNT.replace("EVM_ENABLED\t\\\n\t\tIPE_ENABLED)", "EVM_ENABLED)")
    assert isinstance(merged(COUNTED, counted("UMD"), COUNT, removed), Conflict)
    assert isinstance(merged("include/linux/other.h", counted("A"), COUNT, counted("B")), Conflict)


def test_markers_and_other_bytes_in_the_text_stay() -> None:
    text = "=======\n<<<<<<< a\n" + "=" * 50 + "\n" + "\n".join("abcdef") + "\n\xe9\n"
    base = text.encode("latin-1")
    ours, theirs = base.replace(b"\na\n", b"\nours\n"), base.replace(b"\nd\n", b"\ntheirs\n")
    both = ours.replace(b"\nd\n", b"\ntheirs\n")
    assert merge("a.rst", ours, base, theirs) == Merged(both)

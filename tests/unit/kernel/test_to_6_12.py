# SPDX-License-Identifier: GPL-2.0-only
"""The script that brings the patches of a security module to 6.12, on an invented module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.kernel.series import to_6_12
from harness.kernel.series.to_6_12 import Bringer, bring
from harness.kernel.source.git_apply import why_not_applied

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

IDS = """\
#define LSM_ID_IMA\t\t111
#define LSM_ID_EVM\t\t112
#define LSM_ID_IPE\t\t113

/*
"""
KCONFIG = """\
source "security/landlock/Kconfig"
source "security/ipe/Kconfig"

source "security/integrity/Kconfig"

config LSM
\tstring "Ordered list of enabled LSMs"
\tdepends on SECURITY
\tdefault "landlock,ipe,bpf"
\thelp
"""
MAKEFILE = """\
obj-$(CONFIG_SECURITY_LANDLOCK)\t\t+= landlock/
obj-$(CONFIG_SECURITY_IPE)\t\t+= ipe/

# Object integrity file lists
"""
COUNT = """\
#else
#define IPE_ENABLED
#endif

/*
 *  There is a trailing comma that we need to be accounted for. This is done by
 *  using a skipped argument in __COUNT_LSMS
 */
\t\tLANDLOCK_ENABLED\t\\
\t\tIMA_ENABLED\t\t\\
\t\tEVM_ENABLED\t\t\\
\t\tIPE_ENABLED)

#else

"""
MAIL = """\
From 0123456789 Mon Sep 17 00:00:00 2001
Subject: [PATCH] Add a module
Date: Mon, 26 Aug 2024 05:37:14 -0500

---
diff --git a/include/uapi/linux/lsm.h b/include/uapi/linux/lsm.h
index 33d8c9f4aa6b..6b63c158c1df 100644
--- a/include/uapi/linux/lsm.h
+++ b/include/uapi/linux/lsm.h
@@ -1,4 +1,5 @@ struct lsm_ctx {
 #define LSM_ID_IMA\t\t111
 #define LSM_ID_EVM\t\t112
+#define LSM_ID_MINE\t\t113
~
 /*
diff --git a/security/Kconfig b/security/Kconfig
--- a/security/Kconfig
+++ b/security/Kconfig
@@ -1,3 +1,4 @@
 source "security/landlock/Kconfig"
+source "security/mine/Kconfig"
~
 source "security/integrity/Kconfig"
@@ -5,4 +6,4 @@
 config LSM
 \tstring "Ordered list of enabled LSMs"
-\tdefault "landlock,bpf"
+\tdefault "mine,landlock,bpf"
 \thelp
diff --git a/security/Makefile b/security/Makefile
--- a/security/Makefile
+++ b/security/Makefile
@@ -1,3 +1,4 @@
 obj-$(CONFIG_SECURITY_LANDLOCK)\t\t+= landlock/
+obj-$(CONFIG_SECURITY_MINE)\t\t+= mine/
~
 # Object integrity file lists
diff --git a/security/security.c b/security/security.c
--- a/security/security.c
+++ b/security/security.c
@@ -51,4 +51,5 @@
 \t(IS_ENABLED(CONFIG_IMA) ? 1 : 0) + \\
-\t(IS_ENABLED(CONFIG_EVM) ? 1 : 0))
+\t(IS_ENABLED(CONFIG_EVM) ? 1 : 0) + \\
+\t(IS_ENABLED(CONFIG_SECURITY_MINE) ? 1 : 0))
~
 /*
diff --git a/security/mine/mine.c b/security/mine/mine.c
new file mode 100644
--- /dev/null
+++ b/security/mine/mine.c
@@ -0,0 +1,10 @@
+static const struct {
+\tint a;
+} words[] __ro_after_init = {
+\t{TPM_MAX_DIGEST_SIZE}
+};
+
+static int denied(int event)
+{
+\treturn event;
+}
--~
2.39.1
""".replace("~", " ")  # the spaces at the ends of lines


def brought(*noinline: str) -> tuple[str, list[str]]:
    bringer = Bringer(noinline)
    return bring(MAIL, bringer.hunk), bringer.told


def test_the_patch_fits_6_12_afterwards(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    there = {
        "include/uapi/linux/lsm.h": IDS,
        "security/Kconfig": KCONFIG,
        "security/Makefile": MAKEFILE,
        "include/linux/lsm_count.h": COUNT,
    }
    for name, text in there.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    patch = tmp_path / "patch"
    for name in there:
        patch.write_text(MAIL)
        assert why_not_applied([name], patch, stage=tree) or name not in MAIL
    patch.write_text(brought()[0])
    assert not why_not_applied([*there, "security/mine/mine.c"], patch, stage=tree)
    has = {name: (tree / name).read_text() for name in there}
    assert "IPE\t\t113\n#define LSM_ID_MINE\t\t114\n\n" in has["include/uapi/linux/lsm.h"]
    assert 'depends on SECURITY\n\tdefault "mine,landlock,ipe,bpf"' in has["security/Kconfig"]
    assert "ipe/\nobj-$(CONFIG_SECURITY_MINE)" in has["security/Makefile"]
    assert "\n#define MINE_ENABLED 1,\n" in has["include/linux/lsm_count.h"]
    assert "IPE_ENABLED\t\t\\\n\t\tMINE_ENABLED)" in has["include/linux/lsm_count.h"]


def test_what_does_not_compile_is_mended_and_each_change_is_told() -> None:
    text, told = brought("denied")
    assert "+} words[] = {\n+\t{TPM2_MAX_DIGEST_SIZE}\n" in text
    assert "+static noinline int denied(int event)" in text
    assert "+static int denied(int event)" in brought()[0]
    said = "\n".join(told)
    for part in ("words[] is const", "TPM2_MAX", "denied() is not inlined", "LSM_ID_MINE is 114"):
        assert part in said
    assert len(told) == 9


def test_what_no_rule_knows_stays_as_it_is() -> None:
    """So does the whole mail but for its hunks."""
    text, _ = brought()
    assert text.startswith(MAIL[: MAIL.index("@@")])
    assert text.endswith("+}\n-- \n2.39.1\n")
    alone = MAIL[MAIL.index("diff --git a/security/mine/") :].replace("TPM_", "TPM2_")
    alone = alone.replace(" __ro_after_init", "")
    assert bring(alone, Bringer().hunk) == alone


def test_the_script_writes_an_mbox_and_tells_its_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    mbox = tmp_path / "mbox"
    mbox.write_text(MAIL)
    monkeypatch.setattr(sys, "argv", ["to_6_12", str(mbox), "--noinline", "denied"])
    to_6_12.main()
    out, err = capfdbinary.readouterr()
    text, told = brought("denied")
    assert out.decode() == text
    assert err.decode().splitlines() == told

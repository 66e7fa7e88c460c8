# SPDX-License-Identifier: GPL-2.0-only
"""The rivals' policies, as a guest's pid 1 loads them (guest-images/agent/policy.h), or root."""

from __future__ import annotations

import subprocess
import tempfile
from fnmatch import filter as matching
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import GUEST_IMAGES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SOURCES = GUEST_IMAGES / "policies"
RULES, LABELS, DOMAIN = "rules", "labels", "domain"
"""The files in each module's folder in the guest."""
REFERENCE = "/usr/lib/umd/reference.cil.bz2"
"""Where the Debian guest has the reference policy, on which ours is compiled."""
OPTIONS, SEAL = "options", "seal"
"""Further files that such a folder may hold."""

POLICY_VERSION = "33"
"""A version that all kernel lines read (security/selinux/include/security.h)."""
_AS_A_STORE = ("-m", "-U", "deny")
"""Modules may declare a thing twice, as in a policy store; unknown permissions are denied."""
_PARSER = "/usr/sbin/apparmor_parser"
"""Its folder is not in every user's PATH."""
_FEATURES = "/etc/apparmor.d/abi/3.0"
"""What the compiler may use of AppArmor: all kernel lines have that, whatever this host's has."""
_SECONDS = 600.0


def policies(files: Collection[str]) -> Mapping[str, bytes]:
    """Return the files of all policies, by the names below /policy that the guest looks for.

    `files` are those of the guest that labels may be meant for by a pattern. Raises UserError for
    a policy that does not compile.
    """
    selinux = SOURCES / "selinux" / "microvm"
    return {
        f"selinux/{RULES}": compile_cil(*selinux_sources("microvm")),
        f"selinux/{LABELS}": spelt_out((selinux / LABELS).read_text(), files).encode(),
        f"selinux/{DOMAIN}": uncommented(selinux / DOMAIN),
        **smack_policy("microvm"),
    }


def smack_policy(guest: str) -> Mapping[str, bytes]:
    """Return the files of Smack's policy for a guest, by the names below /policy."""
    smack = SOURCES / "smack"
    labels = (smack / LABELS, smack / guest / LABELS)
    return {
        **{f"smack/{name}": uncommented(smack / name) for name in (RULES, DOMAIN, OPTIONS, SEAL)},
        f"smack/{LABELS}": b"".join(map(uncommented, labels)),
    }


def source_files() -> list[Path]:
    """Return the files that policies are made from, without what Python compiles beside them."""
    return sorted(
        path for path in SOURCES.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    )


def selinux_sources(guest: str) -> list[Path]:
    """Return what SELinux's policy for a guest is compiled from, beside Debian's own."""
    selinux = SOURCES / "selinux"
    return sorted([*selinux.glob("*.cil"), *(selinux / guest).glob("*.cil")])


def compile_on_reference(reference: bytes, *sources: Path) -> bytes:
    """Compile sources on top of Debian's reference policy. Raises UserError."""
    with tempfile.NamedTemporaryFile(suffix=".cil") as file:
        file.write(reference)
        file.flush()
        return compile_cil(Path(file.name), *sources, options=_AS_A_STORE)


def uncommented(path: Path) -> bytes:
    """Return a file without its comment lines."""
    lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#")).encode()


def spelt_out(labels: str, files: Collection[str]) -> str:
    """Return lines of a path and a label, without the patterns that some paths are."""
    lines = (line.split(" ", 1) for line in labels.splitlines())
    return "".join(
        f"{path} {label}\n"
        for pattern, label in lines
        for path in (sorted(matching(files, pattern)) if "*" in pattern else [pattern])
    )


def compile_cil(*sources: Path, options: Sequence[str] = ()) -> bytes:
    """Compile a policy for SELinux. Raises UserError with the compiler's complaint."""
    # A folder, not a file: a failed compilation leaves no file.
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / RULES
        command = ["secilc", "-c", POLICY_VERSION, "-o", str(target), "-f", "/dev/null"]
        _compile([*command, *options, *map(str, sources)], "SELinux", "secilc", sources)
        return target.read_bytes()


def compile_profiles(source: Path = SOURCES / "apparmor" / RULES) -> bytes:
    """Compile a policy for AppArmor. Raises UserError with the compiler's complaint."""
    options = ("--skip-kernel-load", "--skip-cache", "--stdout", "--features-file", _FEATURES)
    return _compile([_PARSER, *options, str(source)], "AppArmor", "apparmor", [source])


def _compile(command: Sequence[str], module: str, package: str, sources: Sequence[Path]) -> bytes:
    """Run a compiler; return its output. Raises UserError with its complaint."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
    except FileNotFoundError:
        name = Path(command[0]).name
        raise UserError(f"{name} is missing", hint=f"apt-get install {package}") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise UserError(
            f"the {module} policy does not compile: {said}",
            hint=f"mend {', '.join(source.name for source in sources)}",
        ) from None
    return done.stdout

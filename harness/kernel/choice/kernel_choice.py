# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of the user's choice: a tree, patches and kernel options in place of a line's."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.kernel.build.config import read_fragment
from harness.kernel.source.checkout import Checkout, check_tree, read_checkout

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class KernelChoice:
    """What to build in place of a line's own kernel, or the built kernel to take."""

    line: str
    """The kernel line whose source is built without a `tree`, and whose series is applied."""

    tree: Path | None = None

    patches: Path | None = None
    """Patches in place of the line's series: a folder, a quilt series, an mbox or one patch."""

    with_library: bool = False
    """Apply the line's series as well, before the `patches`."""

    skip_docs: bool = False
    """Leave out the hunks for documentation that do not apply."""

    fragments: tuple[Path, ...] = ()
    """Files of kernel options, all of which must apply."""

    bzimage: Path | None = None
    """A kernel that is already built; `vmlinux` is of the same build."""

    vmlinux: Path | None = None

    checkout: Checkout | None = field(default=None, compare=False, repr=False)
    """The tree as `settled` read it."""

    def if_own(self) -> KernelChoice | None:
        """Return the choice, checked; None if it is the kernel of the line. Raises UserError."""
        if any((self.tree, self.patches, self.fragments, self.bzimage, self.vmlinux)):
            self.check()
            return self
        if self.with_library:
            raise UserError(
                "--with-library is for a tree or patches of yours",
                hint=f"leave it out: {self.line} has the library",
            )
        if self.skip_docs:
            raise UserError(
                "--skip-docs is for patches of yours", hint="add --patches, or leave it out"
            )
        return None

    def settled(self, *, cache: Path) -> KernelChoice:
        """Return the choice with its tree read: later changes of the tree have no effect.

        Raises UserError.
        """
        self.check()
        if self.tree is None or self.checkout is not None:
            return self
        checkout = read_checkout(self.tree.resolve(), line=self.name, cache=cache)
        return replace(self, checkout=checkout)

    def check(self) -> None:
        """Raise UserError for a choice that contradicts itself or names a missing file."""
        if (self.bzimage is None) != (self.vmlinux is None):
            raise UserError(
                "--kernel and --vmlinux go together: one is booted, the other has its symbols",
                hint="name both, of the same build",
            )
        if self.bzimage and (self.tree or self.patches or self.fragments or self.with_library):
            raise UserError(
                "--kernel is a kernel that is already built: nothing can be added to it",
                hint="leave out --tree, --patches, --config and --with-library, or --kernel",
            )
        if self.with_library and not (self.tree or self.patches):
            raise UserError(
                f"--with-library puts our series on a tree or under patches: {self.line} has it",
                hint="add --tree or --patches, or leave it out",
            )
        if self.skip_docs and not (self.patches or self.with_library):
            raise UserError(
                "--skip-docs leaves out parts of patches, and no patches are applied",
                hint="add --patches or --with-library, or leave it out",
            )
        for path in (*self.fragments, *filter(None, (self.bzimage, self.vmlinux))):
            if not path.is_file():
                raise UserError(f"there is no file {path}", hint="correct the name")
        for path in self.fragments:
            if not read_fragment(path):
                raise UserError(f"{path} sets no kernel option", hint="write CONFIG_NAME=value")
        if self.tree is not None:
            check_tree(self.tree.resolve())

    @property
    def name(self) -> str:
        """The name in place of a line's, made of the names of the tree and the patches."""
        if self.bzimage is not None:
            return _word(self.bzimage.resolve().name)
        base = _word(self.tree.resolve().name) if self.tree else self.line
        more = [_word(self.patches.resolve().name)] if self.patches else []
        return "+".join([base, *more, *(["config"] if self.fragments and not more else [])])

    @property
    def folder(self) -> str:
        """The name of the build tree that is kept: one for each tree, whatever patches it gets.

        Patches on the source of a line are built in the line's own tree, so that make compiles
        only what they change. Options of the user's would change most objects there.
        """
        if self.tree is None:
            return f"{self.line}-own" if self.fragments else self.line
        path = self.tree.resolve()
        return f"{_word(path.name)}-{hashlib.sha256(bytes(path)).hexdigest()[:8]}"

    def words(self) -> list[str]:
        """Return the options of the command line that make this choice."""
        found = ["--line", self.line] if self.tree is None and self.bzimage is None else []
        for option, path in (("--tree", self.tree), ("--patches", self.patches)):
            found += [option, str(path)] if path else []
        found += ["--with-library"] if self.with_library else []
        found += ["--skip-docs"] if self.skip_docs else []
        for fragment in self.fragments:
            found += ["--config", str(fragment)]
        if self.bzimage:
            found += ["--kernel", str(self.bzimage), "--vmlinux", str(self.vmlinux)]
        return found


def _word(name: str) -> str:
    """Return a part of the name that is fit for files, cells and machines."""
    return re.sub(r"[^\w.]+", "-", name.removesuffix(".git")).strip("-.")[:24] or "kernel"

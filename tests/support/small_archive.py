# SPDX-License-Identifier: GPL-2.0-only
"""A Debian archive in miniature, signed with a key of its own and served over HTTP here."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from harness.host.debian_archive import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE, SUITE = "linux-source-9.9", "testing-backports"
CONTENT = b"a tarball, as far as apt can tell"

CONTROL = """\
Package: {name}
Version: {version}
Architecture: all
Maintainer: Ada Example <ada@example.org>
Description: A kernel's source
"""
RELEASE = """\
Origin: Debian
Suite: {suite}
Codename: {suite}
Architectures: amd64 all
Components: main
Date: Thu, 01 Jan 2026 00:00:00 UTC
SHA256:
 {digest} {size} main/binary-amd64/Packages
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def run(*argv: str, cwd: Path) -> bytes:
    done = subprocess.run(argv, cwd=cwd, check=True, capture_output=True, timeout=60)
    return done.stdout


def gpg(home: Path, *arguments: str) -> bytes:
    home.mkdir(mode=0o700, exist_ok=True)
    quiet = ("--homedir", str(home), "--batch", "--yes", "--passphrase", "")
    return run("gpg", *quiet, *arguments, cwd=home)


def make_key(home: Path) -> Path:
    """Make a key below `home`; the keyring that holds its public part."""
    gpg(home, "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
    keyring = home / "archive.gpg"
    gpg(home, "--output", str(keyring), "--export")
    return keyring


def make_archive(root: Path, key: Path, *, version: str = "9.9.1-1", name: str = PACKAGE) -> None:
    """Write an archive of one package, signed by the key whose home `key` is."""
    packed = root / "packed"
    (packed / "DEBIAN").mkdir(parents=True)
    (packed / "DEBIAN/control").write_text(CONTROL.format(name=name, version=version))
    (packed / "usr/src").mkdir(parents=True)
    (packed / f"usr/src/{PACKAGE}.tar.xz").write_bytes(CONTENT)
    pool = root / "pool"
    pool.mkdir(exist_ok=True)
    run("dpkg-deb", "--root-owner-group", "--build", str(packed), str(pool), cwd=root)
    index = "\n".join(map(entry, sorted(pool.glob("*.deb")))).encode()
    suite = root / "dists" / SUITE
    (suite / "main/binary-amd64").mkdir(parents=True, exist_ok=True)
    (suite / "main/binary-amd64/Packages").write_bytes(index)
    digest = hashlib.sha256(index).hexdigest()
    release = suite / "Release"
    release.write_text(RELEASE.format(suite=SUITE, digest=digest, size=len(index)))
    gpg(key, "--output", str(suite / "InRelease"), "--clearsign", str(release))


def entry(deb: Path) -> str:
    """A package's entry in the suite's index."""
    control = run("dpkg-deb", "--field", str(deb), cwd=deb.parent).decode()
    content = deb.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}Filename: pool/{deb.name}\nSize: {len(content)}\nSHA256: {digest}\n"


@contextmanager
def served(root: Path, keyring: Path) -> Iterator[Archive]:
    """Serve the folder until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Archive(f"http://127.0.0.1:{server.server_port}", keyring)
        finally:
            server.shutdown()
            thread.join()

# SPDX-License-Identifier: GPL-2.0-only
"""Folders of files for the handlers that parse, as `bench --handlers --corpus` takes them."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.guests import vendor
from harness.host.errors import UserError
from harness.model.handlers import PKCS7, RPM, WITH_BUG, X509

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.kernel.build.signing import SigningKey

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----\s+([A-Za-z0-9+/=\s]+)-----END ")
_RPM_LEAD = b"\xed\xab\xee\xdb"
_READ = 1 << 20
"""The bytes that are read of a file. No handler takes more than 128 KiB."""
_MOST = 160 << 10
"""The bytes of the longest file that is given: a header with its signature."""


@dataclass(frozen=True)
class Corpus:
    """A folder of files, all for a handler."""

    parser: str
    """The name of the handler."""
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Corpus:
        """Read `HANDLER=DIR`. Raises UserError."""
        parser, equals, folder = text.partition("=")
        if not equals or parser not in WITH_BUG:
            raise UserError(
                f"{text!r} is no corpus",
                hint=f"take HANDLER=DIR; the handlers are {', '.join(WITH_BUG)}",
            )
        if not Path(folder).is_dir():
            raise UserError(f"{folder!r} is no folder", hint="name one with files for the handler")
        return cls(parser, Path(folder))

    def files(self, key: SigningKey) -> tuple[bytes, ...]:
        """Return each different file as the kernel takes it, the shortest first.

        PEM is decoded. A package gives its header, signed by the key that the kernel trusts. Files
        that are too long for each handler are left out. Raises UserError if there is none, or if a
        file cannot be read.
        """
        try:
            made = {
                file
                for path in self.folder.rglob("*")
                if path.is_file()
                for file in self._in_file(path, key)
                if len(file) <= _MOST
            }
        except OSError as error:
            raise UserError(
                f"{error.filename} cannot be read: {error.strerror}",
                hint=f"remove {error.filename} from the folder, or make this file readable",
            ) from error
        if not made:
            raise UserError(
                f"{self.folder} has no file for {self.parser}", hint="name another folder"
            )
        return tuple(sorted(made, key=lambda file: (len(file), file)))

    def _in_file(self, path: Path, key: SigningKey) -> Iterator[bytes]:
        with path.open("rb") as file:
            content = file.read(_READ)
        if self.parser == RPM.name:
            if content.startswith(_RPM_LEAD):
                with suppress(struct.error):  # the package is cut short
                    yield vendor.signed(key, header_in(content))
        elif self.parser in (X509.name, PKCS7.name) and b"-----BEGIN " in content:
            for found in _PEM.finditer(content):
                with suppress(binascii.Error):
                    yield base64.b64decode(found[1])
        elif content:
            yield content


def header_in(package: bytes) -> bytes:
    """Return a package's header: behind the lead and the signature, which is padded to 8 bytes.

    Raises struct.error if the package is cut short.
    """
    signature = _header_size(package, 96)
    start = 96 + (signature + 7) // 8 * 8
    size = _header_size(package, start)
    (header,) = struct.unpack_from(f"{size}s", package, start)
    return bytes(header)


def _header_size(package: bytes, start: int) -> int:
    entries, store = struct.unpack_from(">II", package, start + 8)
    return 16 + 16 * int(entries) + int(store)

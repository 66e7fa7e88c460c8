# SPDX-License-Identifier: GPL-2.0-only
"""HTML files that work offline: a template that escapes all values, our style, our script."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_HERE = Path(__file__).parent


def rendered(template: Path, **values: Any) -> str:
    """Fill in a template that extends base.html. It also gets our `style` and `script`.

    The content security policy of base.html allows these two alone, by their `hashes`.
    """
    style, script = (_ours(name) for name in ("page.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader((template.parent, _HERE)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hashes = {"style": _hash(style), "script": _hash(script)}
    return environment.get_template(template.name).render(
        style=style, script=script, hashes=hashes, **values
    )


def link(target: Path, place: Path) -> str:
    """Return the address of a file or folder, relative to the folder `place` of the page."""
    return quote(os.path.relpath(target.resolve(), place.resolve()))


def _ours(name: str) -> Markup:
    """Return a file of ours."""
    return Markup((_HERE / name).read_text("utf-8"))  # noqa: S704 - it is our own


def _hash(text: str) -> str:
    """Return the hash by which the content security policy allows a script or a style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

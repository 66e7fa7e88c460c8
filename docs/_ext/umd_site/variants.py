# SPDX-License-Identifier: GPL-2.0-only
"""The variants, from their definitions."""

from __future__ import annotations

from harness.model.variants import VARIANTS, Variant
from umd_site.text import code, prose, table


def overview() -> str:
    """Return a row for each variant that ships."""
    rows = [
        [code(name), code(variant.cmdline), _claims(variant), prose(variant.summary)]
        for name, variant in VARIANTS.items()
    ]
    return table(["variant", "boot parameters", "claims", "policy"], *rows) + "\n"


def _claims(variant: Variant) -> str:
    if variant.rival:
        return "nothing (a rival)"
    claims = [name for name in ("protects", "confines") if getattr(variant, name)]
    return (" and ".join(claims) or "nothing") + (" (a proposal)" if variant.proposed else "")

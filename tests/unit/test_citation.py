# SPDX-License-Identifier: GPL-2.0-only
"""CITATION.cff has what its schema (1.2.0) demands, and says what pyproject.toml says."""

from __future__ import annotations

import tomllib

import yaml

from harness.host.paths import CHECKOUT

KEYS = {
    *("cff-version", "message", "title", "authors"),  # these are required
    *("abstract", "type", "version", "license", "keywords"),
}


def test_the_citation_is_whole_and_current() -> None:
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert citation.keys() == KEYS
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == project["name"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert all(isinstance(author["name"], str) for author in citation["authors"])


def test_the_changelog_has_the_version_and_what_is_not_released() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    headings = [
        line for line in (CHECKOUT / "CHANGELOG.md").read_text().splitlines() if line[:3] == "## "
    ]
    assert headings[0] == "## [Unreleased]"
    assert any(heading.startswith(f"## [{version}]") for heading in headings)

# SPDX-License-Identifier: GPL-2.0-only
"""The documentation site: Sphinx reads the Markdown files beside this file (MyST).

The build needs no network, and the pages load nothing from another host: furo brings its own
styles and scripts, and its fonts are the reader's. No link to another host is followed, since a
build must not fail because of somebody else's server; `-t online` has the link check do that.
Links within the site are checked by the build itself (`-n -W`).
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE / "_ext"))

project = "umd-harness"
author = "the umd-harness contributors"
project_copyright = author
release = version = version_of("umd-harness")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "umd_site",
]
exclude_patterns = ["_build", "_ext", "reference/generated"]  # the last are included

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # a link to a heading has the heading's text, as on a forge
nitpicky = True
smartquotes = False  # an option is `--line`, not a dash
default_role = "code"  # docstrings say `name` as Markdown does

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True  # `0o755`, as the code has it, not `493`
# Annotations name types that have no page here; links that a person wrote stay checked.
nitpick_ignore_regex = [("py:.*", r".*")]

html_theme = "furo"
html_title = "umd-harness"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False

linkcheck_ignore = [] if "online" in globals().get("tags", ()) else [r"https?://"]

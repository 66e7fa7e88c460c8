# SPDX-License-Identifier: GPL-2.0-only
"""The report of a run as one HTML file: a template, its script and style, and the data in it."""

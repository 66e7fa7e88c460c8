# SPDX-License-Identifier: GPL-2.0-only
"""The series as mails for `git am`, with a cover letter that gives measured results."""

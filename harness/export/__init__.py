# SPDX-License-Identifier: GPL-2.0-only
"""The series as mails that `git am` takes, with a cover letter that says what was measured."""

# SPDX-License-Identifier: GPL-2.0-only
"""What holds for all tests."""

from hypothesis import settings

# A busy host makes any example slow.
settings.register_profile("any host", deadline=None)
settings.load_profile("any host")

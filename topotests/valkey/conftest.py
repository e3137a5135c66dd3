# SPDX-License-Identifier: GPL-2.0-or-later
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import driver  # noqa: E402


@pytest.fixture(scope="session")
def namespace():
    driver.make_namespace()
    yield driver.NAMESPACE
    driver.remove_namespace()


@pytest.fixture
def closing():
    """What is appended has its close() called at the end, the last one first."""
    opened = []
    yield opened
    for each in reversed(opened):
        each.close()

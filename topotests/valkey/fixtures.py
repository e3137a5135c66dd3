# SPDX-License-Identifier: GPL-2.0-or-later
"""What both test files use. No conftest.py: FRR's way of running topotests has one of that name already."""

import pytest

import driver


@pytest.fixture(scope="module")
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

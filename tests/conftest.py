"""Fixtures that every folder of tests uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of files written by others, beside the repository; CI must have it."""
    folder = Path(__file__).parents[1].parent / "shared" / "conformance"
    if not folder.is_dir():
        reason = "the conformance data (files written by others, never committed) is not beside the repository"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder

"""The package's gate, loaded once a module."""

from __future__ import annotations

import pytest

from empathic.safety.gate import Gate


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate.load()

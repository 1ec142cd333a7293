"""How long to wait before a request is made again."""

from __future__ import annotations

import random
from typing import Any

FIRST, LONGEST = 0.5, 30.0  # seconds after a failure
_LONGEST_ASKED = 300.0  # seconds that a server may ask for


def jitter(failures: int, most: float = LONGEST) -> float:
    """Seconds to wait after so many failures before this one: exponential backoff with full jitter."""
    return random.uniform(0, min(most, FIRST * 2**failures))


def retry_after(error: Any) -> float:
    """The seconds that a server asks to wait, 0 where it doesn't say."""
    try:
        return min(float(error.response.headers.get("retry-after", 0)), _LONGEST_ASKED)
    except ValueError:
        return 0.0

"""How long to wait before a request is made again."""

from __future__ import annotations

import math
import random
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

FIRST, LONGEST = 0.5, 30.0  # seconds after a failure
_LONGEST_ASKED = 300.0  # seconds that a server may ask for


def jitter(failures: int, most: float | None = None) -> float:
    """Seconds to wait after so many failures before this one: exponential backoff with full jitter."""
    return random.uniform(0, min(LONGEST if most is None else most, FIRST * 2 ** min(failures, 30)))


def retry_after(response: Any) -> float:
    """The seconds that a server asks to wait by its headers, 0 where it doesn't say.

    `Retry-After` is in seconds or a date (RFC 9110), `retry-after-ms` in milliseconds.
    """
    headers = response.headers
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    said = headers.get("retry-after") or ""
    seconds = _number(said)
    if seconds is not None:
        return _bounded(seconds)
    try:
        return _bounded(parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def named_in(said: str) -> float:
    """The seconds that a refusal asks to wait in words, such as "try again in 1.5s" or "retry in 20 seconds"."""
    found = re.search(r"(?:try again|retry) (?:in|after) (\d+(?:\.\d+)?) ?(ms|s)", said, re.I)
    return _bounded(float(found[1]) / (1000 if found[2].lower() == "ms" else 1)) if found else 0.0


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST_ASKED)

"""Memory between steps and stages, where the C library is glibc; elsewhere these do nothing."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def keep_freed() -> None:
    """Have glibc keep freed blocks for the next step: a step of training frees and takes gigabytes.

    Measured at 13% of SFT's time on two cores; elsewhere it does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def release() -> None:
    """Give what training held back to the system, for the judge to use."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)

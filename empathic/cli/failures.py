"""What ends a command, in one line to its user."""

from __future__ import annotations

import errno

from empathic.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def told(error: Exception) -> str | None:
    """What went wrong and what mends it; None for a fault of ours, which wants its traceback."""
    if isinstance(error, UserError):
        return str(error)
    if "No space left on device" in str(error) or getattr(error, "errno", 0) in _FULL:
        return "the disk is full; make room, and the same command goes on from here"
    if isinstance(error, ModuleNotFoundError) and error.name:
        from empathic.doctor.packages import mend

        return mend(error.name)
    return None

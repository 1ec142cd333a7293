"""Which slots of an engine are writing: two replies at a time don't want the same one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 0.1  # seconds between two looks at whether a slot is still wanted


class Slots:
    """The slots of an engine that are taken."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._freed = threading.Condition()

    @contextmanager
    def one_of(self, own: range, first: int, given_up: Callable[[], bool]) -> Iterator[int | None]:
        """Hold a slot for as long as the block lasts; wait until there is one.

        Args:
            own: those that may be taken.
            first: the one that is taken where it is free.
            given_up: whether nobody waits any more.

        Yields:
            The slot; None where it was given up.
        """
        with self._freed:
            while (slot := self._free(own, first)) is None and not given_up():
                self._freed.wait(_LOOK)
            if slot is not None:
                self._taken.add(slot)
        try:
            yield slot
        finally:
            if slot is not None:
                with self._freed:
                    self._taken.remove(slot)
                    self._freed.notify_all()

    def _free(self, own: range, first: int) -> int | None:
        return next((slot for slot in (first, *own) if slot not in self._taken), None)

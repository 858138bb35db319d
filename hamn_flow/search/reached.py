"""Which states were reached: a table that the processes which are forked later see and write to as well."""

from __future__ import annotations

import mmap

_ROOM = 1 << 22  # states; only what is used of it takes memory
_FAULTS = 7  # the bits of a word that are not of the name: of its 64 bits 61 count


class Reached:
    """States by their names, each with how many faults were left; those `before` are looked up, and not changed."""

    def __init__(self, before: Reached | None = None, room: int = _ROOM) -> None:
        self._before = before
        self._room = room  # a power of two
        self._words = _table(room)

    def __len__(self) -> int:
        """How many were taken in, by whichever process."""
        return self._words[self._room]

    def faults(self, state: str) -> int:
        """With how many faults left it was reached at most; -1 if it was not."""
        name = int(state, 16)
        here = (self._words[self._slot(name)] & _FAULTS) - 1
        return max(here, self._before.faults(state)) if self._before else here

    def reach(self, state: str, faults: int) -> None:
        """It was reached with so many left; RuntimeError if there is no room left in a table that others see."""
        name = int(state, 16)
        slot = self._slot(name)
        word = self._words[slot]
        if not word:
            if len(self) == self._room // 4 * 3:
                self._grow()
                slot = self._slot(name)
            self._words[self._room] += 1
        self._words[slot] = name & ~_FAULTS | max(word & _FAULTS, faults + 1)

    def _slot(self, name: int) -> int:
        """Where it is, or would be."""
        last, words, slot = self._room - 1, self._words, name >> 8 & self._room - 1
        while (word := words[slot]) and (word ^ name) & ~_FAULTS:
            slot = slot + 1 & last
        return slot

    def _grow(self) -> None:
        """Make room where no other process has to see it."""
        if self._before is not None:
            raise RuntimeError(f"one task of the search has reached more than {len(self)} states")
        words, count = self._words[: self._room], len(self)
        self._room *= 2
        self._words = _table(self._room)
        self._words[self._room] = count
        for word in words:
            if word:
                self._words[self._slot(word)] = word


def _table(room: int) -> memoryview:
    """So many words that forked processes share, and one for their count."""
    return memoryview(mmap.mmap(-1, 8 * (room + 1))).cast("Q")

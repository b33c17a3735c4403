"""Where on a file's own clock its sound lies, by the time stamps of its frames.

Time stamps are the word of whoever made the file: rounded, jumping, sometimes damaged or
hostile. Sound that starts late or goes on after a gap is moved to where it belongs; what is
put in between never adds up to more than half a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

__all__ = ["MOST_SILENCE_S", "Stamped", "placed"]

MOST_SILENCE_S = 12 * 3600.0
"""All gaps of a file together; a longer one is no gap but another clock."""

_ROUNDING_S = 0.03
"""Stamps of whole milliseconds and frames that the encoder began with stay below this."""

_JUMP_S = 0.1
_N_AGREEING, _N_COMING = 4, 12
"""Frames that have to agree on a jump, and on less than one: single ones are stamped wrongly,
and the stamps of what came over a network tremble."""

_LONGEST_CUT_S = 0.25
"""Sound whose clock runs fast is cut by as much at once, as players do. Of a longer overlap
nothing is cut: what was said counts for more, and the next gap makes up for it."""

_BEGINS_ANEW_S = 1.0
"""Stamps that go back by more begin anew: files that were put together, a counter's end."""

_SLOWEST = 0.5
"""Of the sound's own pace; stamps that fall behind faster, or stand still, are no clock's: by
them all of the sound would be cut."""

_LATE_S = 1.0  # how much later than announced sound may still begin

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class Stamped(Generic[Frame]):
    """A frame, where it begins on the file's clock if that is told, and its length."""

    frame: Frame
    start_s: float | None
    seconds: float


def placed(
    frames: Iterable[Stamped[Frame]], *, at_s: float = 0.0, ends_s: float | None = None
) -> Iterator[tuple[Frame, float | None]]:
    """Yield each frame and where it begins; None for right behind the one before.

    A time before the end of the last frame means that so much of this one is to be cut.

    Args:
        at_s: where the first one begins if it isn't stamped otherwise.
        ends_s: the announced end of the file: stamps far behind it are not believed.
    """
    clock = _Clock(at_s, ends_s)
    coming: deque[Stamped[Frame]] = deque()
    for frame in frames:
        coming.append(frame)
        if len(coming) == _N_COMING:
            yield coming[0].frame, clock.place(coming)
            coming.popleft()
    while coming:
        yield coming[0].frame, clock.place(coming)
        coming.popleft()


class _Offset(NamedTuple):
    """How far behind its place without a jump, ``at_s``, a frame is stamped."""

    at_s: float
    seconds: float


class _Clock:
    """The end of what was placed so far, and what the stamps are off by."""

    def __init__(self, at_s: float, ends_s: float | None) -> None:
        self._at_s, self._ends_s = at_s, ends_s
        self._shift_s = 0.0
        self._silence_s = 0.0

    def place(self, coming: Sequence[Stamped[Frame]]) -> float | None:
        """Return where the first of ``coming`` begins, if not at the end of the last one."""
        jump_s = self._jump(self._offsets(coming)) if coming[0].start_s is not None else 0.0
        begins_s = self._at_s + jump_s
        self._at_s = begins_s + coming[0].seconds
        return begins_s if jump_s else None

    def _offsets(self, coming: Sequence[Stamped[Frame]]) -> list[_Offset]:
        at_s, offsets = self._at_s, []
        for frame in coming:
            if frame.start_s is not None:
                offsets.append(_Offset(at_s, frame.start_s + self._shift_s - at_s))
            at_s += frame.seconds
        return offsets

    def _jump(self, offsets: Sequence[_Offset]) -> float:
        for agreeing, limit_s in ((offsets[:_N_AGREEING], _JUMP_S), (offsets, _ROUNDING_S)):
            least_s = min(offset.seconds for offset in agreeing)
            most_s = max(offset.seconds for offset in agreeing)
            if least_s > limit_s:
                return self._forward(least_s)
            if most_s < -limit_s and _keep_pace(agreeing):
                return self._back(most_s)
        return 0.0

    def _forward(self, gap_s: float) -> float:
        is_late = self._ends_s is not None and self._at_s + gap_s > self._ends_s + _LATE_S
        if is_late or self._silence_s + gap_s > MOST_SILENCE_S:
            self._shift_s -= gap_s
            return 0.0
        self._silence_s += gap_s
        return gap_s

    def _back(self, offset_s: float) -> float:
        is_before_0 = self._at_s <= 0 and offset_s >= -_BEGINS_ANEW_S
        if is_before_0 or offset_s >= -_LONGEST_CUT_S:  # no player plays what lies before 0
            return offset_s
        if offset_s < -_BEGINS_ANEW_S:
            self._shift_s -= offset_s
        return 0.0


def _keep_pace(offsets: Sequence[_Offset]) -> bool:
    """Return whether the stamps go on about as fast as the sound."""
    first, last = offsets[0], offsets[-1]
    return first.seconds - last.seconds <= (1 - _SLOWEST) * (last.at_s - first.at_s)

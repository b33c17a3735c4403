"""Placement of decoded frames on a file's clock, by their time stamps.

Time stamps are only as good as the program that wrote them: rounded, jumping, sometimes damaged
or hostile. Audio that starts late or resumes after a gap is moved to its time; the silence
inserted for that never adds up to more than half a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

__all__ = ["MAX_INSERTED_SILENCE_S", "TimedFrame", "place_frames"]

MAX_INSERTED_SILENCE_S = 12 * 3600.0
"""Limit for all gaps of a file together; beyond it, the stamps are from another clock."""

_STAMP_ROUNDING_S = 0.03
"""Stamps in whole milliseconds and encoder delay are off by less."""

_MIN_JUMP_S = 0.1
_N_JUMP_FRAMES, _N_LOOKAHEAD = 4, 12
"""Consecutive frames that must agree on a jump, and on a smaller shift: single stamps are wrong now
and then, and those of network recordings jitter."""

_MAX_CUT_S = 0.25
"""Longest overlap that is cut, as players do where a clock runs fast. A longer one is kept, since
words count for more; the next gap makes up for it."""

_RESTART_S = 1.0
"""Stamps that go back further have restarted: joined files, or a counter that wrapped."""

_MIN_PACE = 0.5
"""Slowest clock whose overlaps are cut, relative to the audio: by stamps that stand still, all of the
audio would be cut."""

_MAX_LATE_S = 1.0  # tolerated beyond the declared end

Frame = TypeVar("Frame")


@dataclass(frozen=True)
class TimedFrame(Generic[Frame]):
    """Frame with its start on the file's clock, None if unstamped, and its duration."""

    frame: Frame
    start_s: float | None
    seconds: float


def place_frames(
    frames: Iterable[TimedFrame[Frame]], *, at_s: float = 0.0, ends_s: float | None = None
) -> Iterator[tuple[Frame, float | None]]:
    """Yield each frame and its start; None if it directly follows the previous one.

    A start before the end of the previous frame means that the overlap is to be cut.

    Args:
        frames: in the order of decoding.
        at_s: start of the first frame unless its stamp says otherwise.
        ends_s: declared end of the file: stamps well beyond it are ignored.
    """
    clock = _FileClock(at_s, ends_s)
    upcoming: deque[TimedFrame[Frame]] = deque()
    for frame in frames:
        upcoming.append(frame)
        if len(upcoming) == _N_LOOKAHEAD:
            yield upcoming[0].frame, clock.place(upcoming)
            upcoming.popleft()
    while upcoming:
        yield upcoming[0].frame, clock.place(upcoming)
        upcoming.popleft()


class _Offset(NamedTuple):
    """Time stamp of a frame, relative to gapless playback.

    Attributes:
        at_s: start of the frame in gapless playback.
        seconds: how much later it is stamped.
    """

    at_s: float
    seconds: float


class _FileClock:
    """End of the frames placed so far, and the correction to later time stamps."""

    def __init__(self, at_s: float, ends_s: float | None) -> None:
        self._at_s, self._ends_s = at_s, ends_s
        self._shift_s = 0.0
        self._silence_s = 0.0

    def place(self, upcoming: Sequence[TimedFrame[Frame]]) -> float | None:
        """Return the start of the first of ``upcoming``; None if it directly follows."""
        jump_s = self._jump(self._offsets(upcoming)) if upcoming[0].start_s is not None else 0.0
        start_s = self._at_s + jump_s
        self._at_s = start_s + upcoming[0].seconds
        return start_s if jump_s else None

    def _offsets(self, upcoming: Sequence[TimedFrame[Frame]]) -> list[_Offset]:
        """Return the offset of each frame that has a time stamp."""
        at_s, offsets = self._at_s, []
        for frame in upcoming:
            if frame.start_s is not None:
                offsets.append(_Offset(at_s, frame.start_s + self._shift_s - at_s))
            at_s += frame.seconds
        return offsets

    def _jump(self, offsets: Sequence[_Offset]) -> float:
        for group, limit_s in (
            (offsets[:_N_JUMP_FRAMES], _MIN_JUMP_S),
            (offsets, _STAMP_ROUNDING_S),
        ):
            min_s = min(offset.seconds for offset in group)
            max_s = max(offset.seconds for offset in group)
            if min_s > limit_s:
                return self._forward(min_s)
            if max_s < -limit_s and _keep_pace(group):
                return self._back(max_s)
        return 0.0

    def _forward(self, gap_s: float) -> float:
        is_late = self._ends_s is not None and self._at_s + gap_s > self._ends_s + _MAX_LATE_S
        if is_late or self._silence_s + gap_s > MAX_INSERTED_SILENCE_S:
            self._shift_s -= gap_s
            return 0.0
        self._silence_s += gap_s
        return gap_s

    def _back(self, offset_s: float) -> float:
        is_before_start = self._at_s <= 0 and offset_s >= -_RESTART_S
        if is_before_start or offset_s >= -_MAX_CUT_S:  # players skip what lies before 0
            return offset_s
        if offset_s < -_RESTART_S:
            self._shift_s -= offset_s
        return 0.0


def _keep_pace(offsets: Sequence[_Offset]) -> bool:
    """Return whether the stamps advance at least at ``_MIN_PACE``."""
    first, last = offsets[0], offsets[-1]
    return first.seconds - last.seconds <= (1 - _MIN_PACE) * (last.at_s - first.at_s)

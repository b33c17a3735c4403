"""Cutting a recording into windows at its pauses; streaming, in bounded memory."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.buffer import AudioBuffer
from asr_core.audio.vad import FRAME_SAMPLES, SileroVad, SpeechSegmenter, SpeechSpan, VadOptions

__all__ = ["SpokenWindow", "spoken_windows"]

MAX_WINDOW_S = 25.0
"""Of 18 to 28 s, on long recordings and on many voices put together: 25 had the fewest words
wrong (base 4.4 and 6.5 %, 18 s 4.3 and 7.5; tiny.en 4.6 and 7.7, 18 s 4.8 and 7.5 %) and is
as quick; with 28 s base skipped a passage."""

JOIN_GAP_S = 3.0
"""Speech this close together shares a window, for context; a longer silence is
cut out, since Whisper fills it with words of its own."""

_VAD = VadOptions(hang_over_s=0.5)


@dataclass(frozen=True)
class SpokenWindow:
    """A stretch of a recording with speech in it.

    Attributes:
        start_s: of its first sample in the recording.
        samples: (n_samples,) float32, mono 16 kHz.
        voices: of each frame of the voice detector, whether somebody spoke: 1 or 0.
        channel: of the recording, where each is heard by itself.
    """

    start_s: float
    samples: NDArray[np.float32]
    voices: bytes
    channel: int | None = None

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.start_s + self.seconds

    @property
    def speech_s(self) -> float:
        """For how long somebody spoke."""
        return sum(self.voices) * FRAME_SAMPLES / SAMPLE_RATE_HZ

    def part(self, start_s: float, end_s: float) -> SpokenWindow:
        """The stretch between two times, in seconds from the window's first sample."""
        start, end = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
        voices = self.voices[start // FRAME_SAMPLES : end // FRAME_SAMPLES]
        return SpokenWindow(self.start_s + start_s, self.samples[start:end], voices, self.channel)


def spoken_windows(
    pieces: Iterable[NDArray[np.float32]], start_s: float = 0.0
) -> Iterator[SpokenWindow]:
    """Find the speech in consecutive ``pieces`` of audio and pack it into windows.

    Args:
        pieces: (n_samples,) of the one channel, or (n_channels, n_samples) each, of which
            every channel is heard by itself.
        start_s: where in the recording the first piece begins.

    Windows of a channel do not overlap and last at most ``MAX_WINDOW_S``; all come in the
    order in which they begin. Speech longer than that is cut where a voice is least likely.
    """
    finders: list[_Finder] = []
    waiting: list[SpokenWindow] = []
    for piece in pieces:
        channels = np.atleast_2d(piece)
        while len(finders) < len(channels):
            finders.append(_Finder(len(finders) if piece.ndim > 1 else None, start_s))
        for finder, samples in zip(finders, channels, strict=True):
            waiting += finder.push(samples)
        waiting.sort(key=_begin)
        n = bisect.bisect_left(waiting, min(f.settled_s for f in finders), key=_begin)
        yield from waiting[:n]
        del waiting[:n]
    for finder in finders:
        waiting += finder.finish()
    yield from sorted(waiting, key=_begin)


def _begin(window: SpokenWindow) -> float:
    return window.start_s


class _Finder:
    """The windows of one channel."""

    def __init__(self, channel: int | None, start_s: float) -> None:
        self._channel, self._start_s = channel, start_s
        self._buffer = AudioBuffer()
        self._vad, self._segmenter = SileroVad(forgets=True), SpeechSegmenter(_VAD)
        self._cutter = _Cutter()

    @property
    def settled_s(self) -> float:
        """The time before which no window begins any more."""
        return self._start_s + self._buffer.start / SAMPLE_RATE_HZ

    def push(self, samples: NDArray[np.float32]) -> list[SpokenWindow]:
        """Take (n_samples,) float32; return the windows that they ended."""
        self._buffer.append(samples)
        probabilities = self._vad.push(samples)
        self._cutter.hear(probabilities)
        segmenter, n = self._segmenter, self._buffer.end
        spans = self._cutter.push(segmenter.push(probabilities), segmenter.open, n)
        windows = list(self._windows(spans))
        self._buffer.drop_before(min(segmenter.quiet_until, self._cutter.oldest(n)))
        return windows

    def finish(self) -> list[SpokenWindow]:
        """Return what is left at the end."""
        last = self._segmenter.finish(self._buffer.end)
        spans = self._cutter.push(last, None, self._buffer.end) + self._cutter.finish()
        return list(self._windows(spans))

    def _windows(self, spans: list[SpeechSpan]) -> Iterator[SpokenWindow]:
        for span in spans:
            assert span.end is not None
            start, end = max(span.start, self._buffer.start), min(span.end, self._buffer.end)
            if end > start:
                yield SpokenWindow(
                    self._start_s + start / SAMPLE_RATE_HZ,
                    self._buffer.read(start, end),
                    self._segmenter.voices(start, end),
                    self._channel,
                )


class _Cutter:
    """Joins short spans and cuts long ones; a pure state machine."""

    def __init__(self) -> None:
        self._pending: SpeechSpan | None = None
        self._probabilities: list[float] = []
        self._first_frame = 0

    def oldest(self, n_samples: int) -> int:
        """First sample that is still to come out; of ``n_samples`` none, if so."""
        return self._pending.start if self._pending else n_samples

    def hear(self, probabilities: NDArray[np.float32]) -> None:
        """Take the speech probabilities up to now, one per VAD frame."""
        self._probabilities.extend(probabilities.tolist())

    def push(
        self, ended: list[SpeechSpan], lasting: SpeechSpan | None, n_samples: int
    ) -> list[SpeechSpan]:
        """Take spans that ended and the one that lasts; return finished windows."""
        out: list[SpeechSpan] = []
        for span in ended:
            out += self._add(span)
        if lasting is not None and self._span_with(lasting, n_samples) > _samples(MAX_WINDOW_S):
            # Do not wait for a pause that may never come.
            out += self._add(replace(lasting, end=n_samples))
        if self._pending and lasting is None:
            assert self._pending.end is not None
            if n_samples - self._pending.end > _samples(JOIN_GAP_S + 1.0):
                out += self.finish()
        self._forget(self._pending.start if self._pending else n_samples)
        return out

    def finish(self) -> list[SpeechSpan]:
        """What is left at the end."""
        pending, self._pending = self._pending, None
        return [pending] if pending else []

    def _span_with(self, lasting: SpeechSpan, n_samples: int) -> int:
        start = self._pending.start if self._pending else lasting.start
        return n_samples - start

    def _add(self, span: SpeechSpan) -> list[SpeechSpan]:
        assert span.end is not None
        out: list[SpeechSpan] = []
        pending = self._pending
        if pending is not None:
            assert pending.end is not None
            start = max(span.start, pending.end)
            joined = max(span.end, pending.end) - pending.start
            near = start - pending.end <= _samples(JOIN_GAP_S)
            overlapping = span.start < pending.end
            if (near and joined <= _samples(MAX_WINDOW_S)) or overlapping:
                span = SpeechSpan(pending.start, max(span.end, pending.end))
            else:
                out.append(pending)
                span = SpeechSpan(start, span.end)
        while span.end is not None and span.end - span.start > _samples(MAX_WINDOW_S):
            cut = self._quietest(span.start)
            out.append(SpeechSpan(span.start, cut))
            span = SpeechSpan(cut, span.end)
        self._pending = span
        return out

    def _quietest(self, start: int) -> int:
        """The sample in the second half of a window at which a voice is least likely."""
        low = (start + _samples(MAX_WINDOW_S / 2)) // FRAME_SAMPLES - self._first_frame
        high = (start + _samples(MAX_WINDOW_S)) // FRAME_SAMPLES - self._first_frame
        window = self._probabilities[max(low, 0) : high]
        if not window:
            return start + _samples(MAX_WINDOW_S)
        smooth = np.convolve(window, np.ones(5) / 5, mode="same")
        frame = self._first_frame + max(low, 0) + int(np.argmin(smooth))
        return frame * FRAME_SAMPLES + FRAME_SAMPLES // 2

    def _forget(self, before: int) -> None:
        n_old = before // FRAME_SAMPLES - self._first_frame
        if n_old > 1000:
            del self._probabilities[:n_old]
            self._first_frame += n_old


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)

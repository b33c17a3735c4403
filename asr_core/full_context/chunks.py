"""Chunks of a recording, cut at its pauses; streaming, in bounded memory."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.buffer import AudioBuffer
from asr_core.audio.vad import (
    FRAME_SAMPLES,
    SileroVad,
    SpeechSegmenter,
    SpeechSpan,
    VadOptions,
    count_bursts,
)
from asr_core.decoding.hallucination import MAX_LONE_SPEECH_S
from asr_core.full_context.config import FULL_CONTEXT_DEFAULTS, FullContextConfig

__all__ = ["SpeechChunk", "speech_chunks"]

_EDGE_FRAMES = 4  # 0.13 s: a chunk cut out of a longer recording has more silence at its ends


@dataclass(frozen=True)
class SpeechChunk:
    """Part of a recording with speech in it.

    Attributes:
        start_s: position of its first sample in the recording, seconds.
        samples: (n_samples,) float32, mono 16 kHz.
        speech_mask: for each frame of the voice detector 1 if there is speech, else 0.
        channel: of the recording, if channels are transcribed one by one.
    """

    start_s: float
    samples: NDArray[np.float32]
    speech_mask: bytes
    channel: int | None = None

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """Position of its end in the recording, seconds."""
        return self.start_s + self.duration_s

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return sum(self.speech_mask) * FRAME_SAMPLES / SAMPLE_RATE_HZ

    @property
    def speech_end_s(self) -> float:
        """End of the speech, in seconds from the chunk's first sample."""
        return (self.speech_mask.rfind(1) + 1) * FRAME_SAMPLES / SAMPLE_RATE_HZ

    @property
    def n_bursts(self) -> int:
        """Number of stretches of speech between pauses."""
        return count_bursts(self.speech_mask)

    @property
    def is_cut_close(self) -> bool:
        """True if this is a recording of a moment that begins and ends with speech."""
        edges = self.speech_mask[:_EDGE_FRAMES], self.speech_mask[-_EDGE_FRAMES:]
        return self.duration_s <= MAX_LONE_SPEECH_S and all(1 in edge for edge in edges)

    def part(self, start_s: float, end_s: float) -> SpeechChunk:
        """Return the part between two times, in seconds from the chunk's first sample."""
        start, end = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
        mask = self.speech_mask[start // FRAME_SAMPLES : end // FRAME_SAMPLES]
        return SpeechChunk(self.start_s + start_s, self.samples[start:end], mask, self.channel)


def speech_chunks(
    pieces: Iterable[NDArray[np.float32]],
    start_s: float = 0.0,
    config: FullContextConfig = FULL_CONTEXT_DEFAULTS,
) -> Iterator[SpeechChunk]:
    """Find the speech in consecutive ``pieces`` of audio and yield it in chunks.

    The chunks of a channel do not overlap and last at most ``max_chunk_s``; all come in the
    order of their starts. Longer speech is cut where speech is least likely.

    Args:
        pieces: (n_samples,) of the one channel, or (n_channels, n_samples) each, of which
            every channel is transcribed by itself.
        start_s: position of the first piece in the recording, seconds.
        config: thresholds.
    """
    channels: list[_ChannelChunker] = []
    waiting: list[SpeechChunk] = []
    for piece in pieces:
        rows = np.atleast_2d(piece)
        while len(channels) < len(rows):
            number = len(channels) if piece.ndim > 1 else None
            channels.append(_ChannelChunker(number, start_s, config))
        for channel, samples in zip(channels, rows, strict=True):
            waiting += channel.push(samples)
        waiting.sort(key=_start_of)
        n = bisect.bisect_left(waiting, min(c.settled_s for c in channels), key=_start_of)
        yield from waiting[:n]
        del waiting[:n]
    for channel in channels:
        waiting += channel.finish()
    yield from sorted(waiting, key=_start_of)


def _start_of(chunk: SpeechChunk) -> float:
    return chunk.start_s


class _ChannelChunker:
    """Chunks of one channel."""

    def __init__(self, channel: int | None, start_s: float, config: FullContextConfig) -> None:
        self._channel, self._start_s = channel, start_s
        self._buffer = AudioBuffer()
        self._vad = SileroVad(reset_on_silence=True)
        self._segmenter = SpeechSegmenter(VadOptions(min_silence_s=config.min_silence_s))
        self._packer = _ChunkPacker(config)

    @property
    def settled_s(self) -> float:
        """Time before which no other chunk will start, seconds."""
        return self._start_s + self._buffer.start / SAMPLE_RATE_HZ

    def push(self, samples: NDArray[np.float32]) -> list[SpeechChunk]:
        """Add (n_samples,) float32 and return the chunks that end by that."""
        self._buffer.append(samples)
        probabilities = self._vad.push(samples)
        self._packer.push_probabilities(probabilities)
        segmenter, n = self._segmenter, self._buffer.end
        spans = self._packer.push(segmenter.push(probabilities), segmenter.open, n)
        chunks = list(self._chunks(spans))
        self._buffer.drop_before(min(segmenter.silence_until, self._packer.oldest(n)))
        return chunks

    def finish(self) -> list[SpeechChunk]:
        """Return the chunks that are left at the end."""
        last = self._segmenter.finish(self._buffer.end)
        spans = self._packer.push(last, None, self._buffer.end) + self._packer.finish()
        return list(self._chunks(spans))

    def _chunks(self, spans: list[SpeechSpan]) -> Iterator[SpeechChunk]:
        for span in spans:
            assert span.end is not None
            start, end = max(span.start, self._buffer.start), min(span.end, self._buffer.end)
            if end > start:
                yield SpeechChunk(
                    self._start_s + start / SAMPLE_RATE_HZ,
                    self._buffer.read(start, end),
                    self._segmenter.speech_mask(start, end),
                    self._channel,
                )


class _ChunkPacker:
    """Pure state machine that joins short spans of speech and cuts long ones."""

    def __init__(self, config: FullContextConfig) -> None:
        self._config = config
        self._pending: SpeechSpan | None = None
        self._probabilities: list[float] = []
        self._first_frame = 0

    def oldest(self, n_samples: int) -> int:
        """Return the first sample that is still needed; ``n_samples`` if none is."""
        return self._pending.start if self._pending else n_samples

    def push_probabilities(self, probabilities: NDArray[np.float32]) -> None:
        """Add the speech probabilities up to now, one per frame of the voice detector."""
        self._probabilities.extend(probabilities.tolist())

    def push(
        self, ended: list[SpeechSpan], open_span: SpeechSpan | None, n_samples: int
    ) -> list[SpeechSpan]:
        """Add spans that ended and the one that goes on; return finished chunks."""
        out: list[SpeechSpan] = []
        for span in ended:
            out += self._add(span)
        if open_span is not None and self._span_with(open_span, n_samples) > _samples(
            self._config.max_chunk_s
        ):
            # Do not wait for a pause that may never come.
            out += self._add(replace(open_span, end=n_samples))
        if self._pending and open_span is None:
            assert self._pending.end is not None
            if n_samples - self._pending.end > _samples(
                self._config.join_gap_s + self._config.flush_delay_s
            ):
                out += self.finish()
        self._drop_probabilities(self._pending.start if self._pending else n_samples)
        return out

    def finish(self) -> list[SpeechSpan]:
        """Return what is left at the end."""
        pending, self._pending = self._pending, None
        return [pending] if pending else []

    def _span_with(self, open_span: SpeechSpan, n_samples: int) -> int:
        start = self._pending.start if self._pending else open_span.start
        return n_samples - start

    def _add(self, span: SpeechSpan) -> list[SpeechSpan]:
        assert span.end is not None
        out: list[SpeechSpan] = []
        pending = self._pending
        if pending is not None:
            assert pending.end is not None
            start = max(span.start, pending.end)
            joined = max(span.end, pending.end) - pending.start
            near = start - pending.end <= _samples(self._config.join_gap_s)
            overlapping = span.start < pending.end
            if (near and joined <= _samples(self._config.max_chunk_s)) or overlapping:
                span = SpeechSpan(pending.start, max(span.end, pending.end))
            else:
                out.append(pending)
                span = SpeechSpan(start, span.end)
        while span.end is not None and span.end - span.start > _samples(self._config.max_chunk_s):
            cut = self._quietest(span.start)
            out.append(SpeechSpan(span.start, cut))
            span = SpeechSpan(cut, span.end)
        self._pending = span
        return out

    def _quietest(self, start: int) -> int:
        """Return the sample in the second half of a chunk at which speech is least likely."""
        low = (start + _samples(self._config.max_chunk_s / 2)) // FRAME_SAMPLES - self._first_frame
        high = (start + _samples(self._config.max_chunk_s)) // FRAME_SAMPLES - self._first_frame
        window = self._probabilities[max(low, 0) : high]
        if not window:
            return start + _samples(self._config.max_chunk_s)
        n = self._config.cut_smoothing_frames
        smooth = np.convolve(window, np.ones(n) / n, mode="same")
        frame = self._first_frame + max(low, 0) + int(np.argmin(smooth))
        return frame * FRAME_SAMPLES + FRAME_SAMPLES // 2

    def _drop_probabilities(self, before: int) -> None:
        n_old = before // FRAME_SAMPLES - self._first_frame
        if n_old > 1000:
            del self._probabilities[:n_old]
            self._first_frame += n_old


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)

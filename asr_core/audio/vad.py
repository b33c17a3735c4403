"""Where in the audio somebody speaks: Silero's network and a state machine.

The network is Silero VAD v6 (https://github.com/snakers4/silero-vad, MIT) as
the faster-whisper package carries it. It is recurrent and its state
is kept, so pieces of any size give the same probabilities as the whole at once.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["FRAME_SAMPLES", "SileroVad", "SpeechSegmenter", "SpeechSpan", "VadOptions"]

Samples = NDArray[np.float32]

FRAME_SAMPLES = 512
"""Silero's step at 16 kHz: 32 ms."""

_N_AT_ONCE = 64
"""Frames that the network hears in one call: some are heard in vain before it begins afresh."""

_LOOKBACK_SAMPLES = 64  # of the frame before, which the network sees again
_STATE_SHAPE = (1, 1, 128)

_QUIET = 0.25
"""Below this probability nobody speaks."""

_N_QUIET = 16
"""After so many quiet frames, half a second, the network may begin afresh: of what it keeps of
one voice, a softer one that comes next looks like silence. A passage that it gave 0.2 to so
got 0.8; of recordings put together from many voices a tenth fewer words were wrong."""


@functools.cache
def _network() -> onnxruntime.InferenceSession:
    """Silero's network, loaded once per process; safe for many threads."""
    import onnxruntime

    from asr_core.audio.vad_graph import with_products

    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            "The voice detector is not installed; run pip install -r requirements.txt."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = Path(spec.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx"
    network = with_products(path)
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


class SileroVad:
    """Streaming speech probabilities; not for two threads at once.

    Args:
        forgets: begin afresh at each pause, for recordings of many voices. Of one voice
            that is spoken live more words were wrong so (tiny.en 9.9 %, else 9.4).
    """

    def __init__(self, *, forgets: bool = False) -> None:
        self._forgets = forgets
        self._h = self._c = np.zeros(_STATE_SHAPE, np.float32)
        self._n_quiet, self._has_heard = 0, False
        self._lookback: Samples = np.zeros(_LOOKBACK_SAMPLES, np.float32)
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """Take (n_samples,) float32; return one probability per whole frame."""
        audio = np.concatenate([self._rest, samples])
        n_frames = len(audio) // FRAME_SAMPLES
        self._rest = audio[n_frames * FRAME_SAMPLES :]
        if not n_frames:
            return np.zeros(0, np.float32)
        frames = audio[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES)
        tails = np.vstack([self._lookback, frames[:-1, -_LOOKBACK_SAMPLES:]])
        self._lookback = frames[-1, -_LOOKBACK_SAMPLES:].copy()
        seen = np.hstack([tails, frames])
        said: list[Samples] = []
        while len(seen):
            probabilities = self._hear(seen[:_N_AT_ONCE])
            n = self._until_fresh(probabilities)
            said.append(probabilities[:n])
            seen = seen[n:]
        return np.concatenate(said)

    def _hear(self, seen: Samples) -> Samples:
        if self._forgets and not self._has_heard and not seen.any():
            return np.zeros(len(seen), np.float32)  # the gaps of a file may last for hours
        inputs = {"input": seen, "h": self._h, "c": self._c}
        probabilities, self._h, self._c = _network().run(None, inputs)
        return np.asarray(probabilities, np.float32).reshape(-1)

    def _until_fresh(self, probabilities: Samples) -> int:
        """How many of these count, before the network began afresh or all."""
        if not self._forgets:
            return len(probabilities)
        for n, probability in enumerate(probabilities.tolist(), 1):
            if probability >= _QUIET:
                self._n_quiet, self._has_heard = 0, True
            else:
                self._n_quiet += 1
            if self._has_heard and self._n_quiet >= _N_QUIET:
                self._forget()
                return n
        return len(probabilities)

    def _forget(self) -> None:
        self._h = self._c = np.zeros(_STATE_SHAPE, np.float32)
        self._n_quiet, self._has_heard = 0, False


@dataclass(frozen=True)
class VadOptions:
    """When speech begins and ends.

    Attributes:
        onset: probability from which a frame counts as speech. With Silero's own 0.5 a
            hoarse voice is cut to pieces; what has no words in it is dropped later.
        offset: probability below which it no longer does (Silero's: the same, less 0.15).
        min_speech_s: shorter bursts (clicks, taps) are not speech.
        hang_over_s: a pause this long ends the span.
        pre_roll_s: kept before the first speech frame, for soft consonants.
        post_roll_s: kept after the last speech frame, for the same reason.
    """

    onset: float = 0.4
    offset: float = 0.25
    min_speech_s: float = 0.13
    hang_over_s: float = 0.7
    pre_roll_s: float = 0.25
    post_roll_s: float = 0.25


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """Speech from sample ``start`` up to ``end``; ``end`` is None while it lasts."""

    start: int
    end: int | None = None


class SpeechSegmenter:
    """Speech probabilities in, spans of speech out; a pure state machine.

    ``push`` returns the spans that have ended; ``open`` is the one that lasts.
    ``hang_over_s`` may be changed between two calls: who reads the words knows
    better than the ear whether a pause is an end. Spans never overlap and follow
    one another in time. While it stays, the same probabilities give the same spans
    however they are cut into pushes.
    """

    def __init__(self, options: VadOptions | None = None) -> None:
        self._options = options or VadOptions()
        self.hang_over_s = self._options.hang_over_s
        self._n_frames = 0
        self._is_speech = bytearray()  # of every frame: two megabytes a day
        self._onset_frame: int | None = None  # first frame of a possible span
        self._last_speech = 0  # frame after the last one with speech
        self._previous_end = 0
        self.open: SpeechSpan | None = None

    @property
    def spoken_until(self) -> int:
        """The sample after the last one in which somebody spoke."""
        return self._last_speech * FRAME_SAMPLES

    @property
    def quiet_until(self) -> int:
        """The sample before which no span can begin any more."""
        if self.open is not None:
            return self.open.start
        frame = self._onset_frame if self._onset_frame is not None else self._n_frames
        return self._with_pre_roll(frame)

    def voices(self, start: int, end: int) -> bytes:
        """Of each frame between two samples, whether somebody spoke: 1 or 0."""
        return bytes(self._is_speech[start // FRAME_SAMPLES : end // FRAME_SAMPLES])

    def speech_s(self, start: int, end: int) -> float:
        """For how many seconds somebody spoke between two samples."""
        return sum(self.voices(start, end)) * FRAME_SAMPLES / SAMPLE_RATE_HZ

    def push(self, probabilities: Samples) -> list[SpeechSpan]:
        """Take one probability per frame; return the spans that these ended."""
        return [span for p in probabilities if (span := self._step(float(p))) is not None]

    def finish(self, n_samples: int) -> list[SpeechSpan]:
        """End of the audio after ``n_samples``: return the span cut off, if any."""
        if self.open is None and self._onset_frame is not None:
            self.open = SpeechSpan(self._with_pre_roll(self._onset_frame))
        if self.open is None:
            return []
        span = SpeechSpan(self.open.start, n_samples)
        self._close(span)
        return [span]

    def _step(self, probability: float) -> SpeechSpan | None:
        frame = self._n_frames
        self._n_frames += 1
        options = self._options
        self._is_speech.append(probability >= options.onset)
        if probability >= options.onset:
            self._last_speech = frame + 1
            if self._onset_frame is None:
                self._onset_frame = frame
        if self.open is None:
            self._begin(frame, probability)
            return None
        if probability >= options.offset:
            # Between the two thresholds speech goes on, but does not begin.
            self._last_speech = frame + 1
        if (frame + 1 - self._last_speech) * FRAME_SAMPLES < self.hang_over_s * SAMPLE_RATE_HZ:
            return None
        post_roll = min(options.post_roll_s, self.hang_over_s) * SAMPLE_RATE_HZ
        span = SpeechSpan(self.open.start, self._last_speech * FRAME_SAMPLES + int(post_roll))
        self._close(span)
        return span

    def _begin(self, frame: int, probability: float) -> None:
        if self._onset_frame is None:
            return
        if probability < self._options.offset:
            self._onset_frame = None  # a click
        elif (frame + 1 - self._onset_frame) * FRAME_SAMPLES >= (
            self._options.min_speech_s * SAMPLE_RATE_HZ
        ):
            self.open = SpeechSpan(self._with_pre_roll(self._onset_frame))

    def _close(self, span: SpeechSpan) -> None:
        assert span.end is not None
        self._previous_end = span.end
        self._onset_frame = None
        self.open = None

    def _with_pre_roll(self, frame: int) -> int:
        start = frame * FRAME_SAMPLES - int(self._options.pre_roll_s * SAMPLE_RATE_HZ)
        return max(start, self._previous_end)

"""One speaker: audio in, committed and tentative words out.

Who may call what: ``append`` and ``finish`` any one thread at a time (the one
that receives audio); ``snapshot`` and ``wait`` any thread; ``due_at``,
``listen``, ``next_window`` and ``accept`` only the scheduler. Nothing here
reads a wall clock: time is counted in samples, and the scheduler passes in its
own clock for the pacing of updates.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.buffer import AudioBuffer
from asr_core.audio.vad import SileroVad, SpeechSegmenter, SpeechSpan, VadOptions
from asr_core.budget import Hold
from asr_core.engines.base import Hypothesis, Task, Window
from asr_core.errors import LimitError
from asr_core.live.policy import agreed, best_cut
from asr_core.live.utterance import Context, Utterance
from asr_core.quality import (
    BEAM_SIZE,
    FALLBACKS,
    fallback,
    is_doubtful,
    is_silence,
    may_be_silence,
    settled,
)
from asr_core.sentences import ends_sentence
from asr_core.transcript import Segment, Transcript, Word

__all__ = ["LiveOptions", "LiveSession", "Phase", "Snapshot"]

Samples = NDArray[np.float32]

MAX_WINDOW_S = 20.0
"""More speech than this is never handed to the model at once."""

SENTENCE_PAUSE_S = 0.9
"""A pause this long ends the utterance where the words end a sentence."""

HESITATION_S = 2.0
"""A pause this long ends it in any case. People pause for up to a second in the
middle of a sentence, and both halves are heard better together."""

SETTLED_S = 0.3
"""Of silence after the speech: looking again would show nothing new."""

TRIM_WINDOW_S = 12.0
"""From this length on, a window sheds the words that are final already."""

MIN_COMMIT_S = 1.5
"""The first second of an utterance is too little to trust what the model makes of it."""

LOOK_BEAM_SIZE = 3
"""Of a look at speech that goes on: half of the errors go that greedy looks make final too
early, for a fifth more time (tiny.en, 942 s of read speech)."""

UNSAID_S = {False: 0.6, True: 0.3}
"""Of voices after a pause for which there are no words (less where nobody looks again): the
model took the pause for the end of all, and what follows had better be heard alone."""

OVERLAP_S = 0.5
"""Of a full window in which nothing was said, in case a word just began."""

LEVEL_FLOOR_DBFS = -90.0

SOUND_DBFS = -75.0
"""Below the noise of a quiet room: a microphone that gives less gives nothing."""

LEVEL_FALL_DB_PER_S = 40.0
"""The meter rises at once and falls slowly, so that it can be read."""


class Phase(Enum):
    """Where a session is in its life."""

    LISTENING = "listening"
    FINISHING = "finishing"
    DONE = "done"


@dataclass(frozen=True)
class LiveOptions:
    """What the user chooses.

    Attributes:
        language: code; None has it detected and keeps it once it is certain.
        update_period_s: wished time between two updates; under load it grows.
        keep_recording: keep the audio in memory, to save it afterwards.
    """

    language: str | None = None
    task: Task = "transcribe"
    update_period_s: float = 0.4
    keep_recording: bool = False


@dataclass(frozen=True)
class Snapshot:
    """What there is to show, immutable.

    Attributes:
        utterances: finished lines, a segment each.
        committed: final words of the line that is being spoken.
        tentative: its words that may still change.
        audio_s: seconds received.
        transcribed_s: seconds dealt with; what is heard as silence counts.
        level_dbfs: loudness now, falling slowly after a loud moment.
        silent_s: seconds since the last sound above ``SOUND_DBFS``.
        language: as given or detected, None before the first words.
        error: a sentence when the last update failed, else None.
    """

    utterances: tuple[Segment, ...] = ()
    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()
    audio_s: float = 0.0
    transcribed_s: float = 0.0
    level_dbfs: float = LEVEL_FLOOR_DBFS
    silent_s: float = 0.0
    language: str | None = None
    language_probability: float = 0.0
    phase: Phase = Phase.LISTENING
    error: str | None = None

    @property
    def lag_s(self) -> float:
        """How far the words are behind the voice."""
        return max(0.0, self.audio_s - self.transcribed_s)

    @property
    def committed_words(self) -> tuple[Word, ...]:
        """All final words, of finished utterances and of the open one."""
        done = tuple(word for segment in self.utterances for word in segment.words)
        return done + self.committed

    def transcript(self) -> Transcript:
        """All final words as a transcript."""
        open_line = (Segment.of(self.committed),) if self.committed else ()
        return Transcript(
            segments=self.utterances + open_line,
            duration=self.audio_s,
            language=self.language,
            language_probability=self.language_probability,
        )


@dataclass(frozen=True)
class _Asked:
    """The window that is at the model."""

    start: int
    end: int
    closes: bool  # the utterance ends with it
    is_full: bool  # more speech waits behind it than a window holds

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SAMPLE_RATE_HZ

    @property
    def start_s(self) -> float:
        return self.start / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.end / SAMPLE_RATE_HZ

    @property
    def is_final(self) -> bool:
        """Nobody looks at this audio again: the hypothesis must be settled."""
        return self.closes or self.is_full


class LiveSession:
    """See the module's text for who may call what.

    Args:
        room: for the recording; it grows with it. What it refuses is no longer kept, and
            ``recording_refused`` says so. None is for tests and files: all there is.

    Attributes:
        recording_refused: a sentence once the recording has stopped growing, else None.
    """

    def __init__(self, options: LiveOptions | None = None, room: Hold | None = None) -> None:
        self.options = options or LiveOptions()
        self.recording_refused: str | None = None
        self._recording_lock = threading.Lock()  # guards the three below
        self._room = room
        self._keeps_recording = self.options.keep_recording
        self._recording: list[NDArray[np.int16]] = []
        self._buffer = AudioBuffer()
        self._vad = SileroVad()
        self._segmenter = SpeechSegmenter(VadOptions(hang_over_s=HESITATION_S))
        self._heard = 0  # samples the voice detector has taken
        self._spans: deque[SpeechSpan] = deque()  # ended, not yet transcribed
        self._utterance: Utterance | None = None
        self._context: Context | None = None  # of the utterance before
        self._lines: tuple[Segment, ...] = ()  # of finished utterances and long ones' beginnings
        self._asked: _Asked | None = None
        self._tried: list[Hypothesis] = []  # doubtful ones of a window that must be settled
        self._last_window_end = 0
        self._updated_at = -np.inf  # the scheduler's clock
        self._finish_requested = threading.Event()
        self._done = threading.Event()
        self._snapshot = Snapshot(language=self.options.language)
        self._level_dbfs = LEVEL_FLOOR_DBFS
        self._last_sound = 0  # sample after the last one that was no silence

    # --- for the thread that receives audio ------------------------------------------

    def append(self, samples: Samples) -> None:
        """Take (n_samples,) float32; returns at once. Ignored after ``finish``."""
        if self._finish_requested.is_set() or not len(samples):
            return
        energy = float(np.vdot(samples, samples))
        if not math.isfinite(energy):
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
            energy = float(np.vdot(samples, samples))
        self._buffer.append(samples)
        fallen = self._level_dbfs - LEVEL_FALL_DB_PER_S * len(samples) / SAMPLE_RATE_HZ
        level_dbfs = _level_dbfs(energy / len(samples))
        self._level_dbfs = max(level_dbfs, fallen)
        if level_dbfs > SOUND_DBFS:
            self._last_sound = self._buffer.end
        if self._keeps_recording:
            self._record(samples)

    def _record(self, samples: Samples) -> None:
        piece = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        with self._recording_lock:
            if not self._keeps_recording:
                return
            try:
                if self._room is not None:
                    self._room.grow(piece.nbytes)
            except LimitError as error:
                self._keeps_recording, self.recording_refused = False, str(error)
            else:
                self._recording.append(piece)

    def finish(self) -> None:
        """No more audio comes: transcribe what is left, then be done."""
        self._finish_requested.set()

    def forget_recording(self) -> None:
        """Give its memory, and its part of the budget, back; any thread may call."""
        with self._recording_lock:
            self._keeps_recording, self._recording = False, []
            if self._room is not None:
                self._room.release()

    # --- for any thread --------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The latest state; the clock and the level are of this moment."""
        audio_s = self._buffer.end / SAMPLE_RATE_HZ
        latest = self._snapshot
        ends = latest.phase is Phase.LISTENING and self._finish_requested.is_set()
        return replace(
            latest,
            phase=Phase.FINISHING if ends else latest.phase,  # even while the model hangs
            audio_s=audio_s,
            level_dbfs=self._level_dbfs,
            silent_s=audio_s - self._last_sound / SAMPLE_RATE_HZ,
            transcribed_s=min(latest.transcribed_s, audio_s),
        )

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is transcribed after ``finish``; False on time-out."""
        return self._done.wait(timeout_s)

    def recording(self) -> NDArray[np.int16]:
        """The audio so far, (n_samples,) at 16 kHz; empty unless it is kept."""
        with self._recording_lock:
            parts = list(self._recording)
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    # --- for the scheduler -----------------------------------------------------------

    def due_at(self) -> float:
        """When, on the scheduler's clock, this session wants its next update."""
        if self._finish_requested.is_set() or self._spans:
            return self._updated_at  # at once, but after those who wait for longer
        return self._updated_at + self.options.update_period_s

    def listen(self, now: float) -> None:
        """Run the voice detector over what is new."""
        self._updated_at = now
        finishing = self._finish_requested.is_set()  # before the end is read: nothing is lost
        end = self._buffer.end
        if end > self._heard:
            probabilities = self._vad.push(self._buffer.read(self._heard, end))
            self._heard = end
            self._spans.extend(self._segmenter.push(probabilities))
        if finishing and self._snapshot.phase is Phase.LISTENING:
            self._spans.extend(self._segmenter.finish(self._heard))
            self._publish(phase=Phase.FINISHING)
        self._forget()
        if finishing and not self._spans:
            self._be_done()
        elif not self._spans and self._segmenter.open is None:
            self._publish(transcribed=self._heard)

    def next_window(self) -> Window | None:
        """What the model should look at now, or None if there is no new speech."""
        span = self._spans[0] if self._spans else self._segmenter.open
        if span is None:
            return None
        if self._utterance is None:
            self._utterance = self._begun(max(span.start, self._buffer.start))
        utterance = self._utterance
        start = utterance.window_start
        end = span.end if span.end is not None else self._heard
        end = min(max(end, start), self._heard)
        is_full = end - start > MAX_WINDOW_S * SAMPLE_RATE_HZ
        if is_full:
            end = start + int(MAX_WINDOW_S * SAMPLE_RATE_HZ)
        closes = span.end is not None and not is_full
        if not closes and not is_full and self._has_seen(end):
            self._publish(transcribed=self._heard, error=self._snapshot.error)
            return None
        self._asked = _Asked(start, end, closes, is_full)
        window = Window(
            samples=self._buffer.read(start, end),
            language=self._snapshot.language,
            task=self.options.task,
            prompt=utterance.prompt,
            # What nobody looks at again is decoded without the help of the past.
            draft=() if self._asked.is_final else utterance.draft,
            beam_size=BEAM_SIZE if self._asked.is_final else LOOK_BEAM_SIZE,
            is_look=not self._asked.is_final,
        )
        return fallback(window, len(self._tried) - 1) if self._tried else window

    def accept(self, hypothesis: Hypothesis) -> None:
        """Take the model's answer to the last window."""
        asked, utterance = self._asked, self._utterance
        assert asked is not None and utterance is not None
        self._asked = None
        self._last_window_end = asked.end
        tried = [*self._tried, hypothesis]
        if is_doubtful(hypothesis):
            if not asked.is_final:
                self._publish(transcribed=asked.end)  # the next look decides
                return
            if len(tried) <= len(FALLBACKS):
                self._tried = tried
                return
        self._tried = []
        hypothesis = settled(tried)
        new = self._new_words(tried, hypothesis, asked, utterance)
        if new is None:
            return
        self._keep_language(hypothesis, asked)
        n_final = self._n_final(new, asked, utterance)
        if may_be_silence(hypothesis) and not asked.is_final:
            n_final = 0
        utterance.language = hypothesis.language
        utterance.take(new, n_final, asked.end_s)
        utterance.draw_up(hypothesis, asked.start_s)
        is_sentence = ends_sentence(hypothesis.words, language=hypothesis.language)
        self._segmenter.hang_over_s = SENTENCE_PAUSE_S if is_sentence else HESITATION_S
        if asked.closes:
            self._close_utterance(asked.end)
        else:
            self._shed(asked)
        self._publish(transcribed=asked.end, error=None)

    def reject(self, error: str) -> None:
        """The model failed on the last window twice: what is shown is what there is."""
        asked, utterance = self._asked, self._utterance
        assert asked is not None and utterance is not None
        self._asked = None
        self._last_window_end = asked.end
        self._tried = []
        if asked.is_final:
            utterance.take(utterance.tentative, len(utterance.tentative), asked.end_s)
        if asked.closes:
            self._close_utterance(asked.end)
        elif asked.is_full:
            self._move_on(asked.end, len(utterance.committed_in_window))
        self._publish(transcribed=asked.end, error=error)

    # --- inside ----------------------------------------------------------------------

    def _has_seen(self, end: int) -> bool:
        """The model has seen all up to ``end`` but silence."""
        settled = self._segmenter.spoken_until + int(SETTLED_S * SAMPLE_RATE_HZ)
        return min(end, settled) <= self._last_window_end

    def _new_words(
        self,
        tried: Sequence[Hypothesis],
        hypothesis: Hypothesis,
        asked: _Asked,
        utterance: Utterance,
    ) -> tuple[Word, ...] | None:
        """What the window says for the first time, nothing where nobody spoke; None where it
        must be heard again without what was said before.

        Args:
            tried: all hypotheses of the window.
            hypothesis: of these the one to go by.
        """
        new = utterance.new_words(hypothesis, asked.start_s)
        speech_s = self._segmenter.speech_s(utterance.own_start, asked.end)
        unsaid_s = speech_s - utterance.said_s(new)
        if unsaid_s > UNSAID_S[asked.is_final] and utterance.forget_context():
            return None
        heard_nothing = utterance.passed_over and is_doubtful(hypothesis)
        own = [utterance.own(each, asked.start_s) for each in tried]
        return () if heard_nothing or is_silence(own, speech_s) else new

    def _n_final(self, new: Sequence[Word], asked: _Asked, utterance: Utterance) -> int:
        if asked.closes:
            return len(new)
        if asked.is_full:
            # The model is behind: no second look, except at the cut.
            n_before_cut = sum(word.end <= asked.end_s - 1.0 for word in new)
            return n_before_cut or len(new)
        if asked.seconds < MIN_COMMIT_S or self._snapshot.language is None:
            return 0
        return agreed(utterance.tentative, new, asked.end_s)

    def _begun(self, start: int) -> Utterance:
        context, self._context = self._context, None
        return Utterance(start, context if context and context.reaches(start) else None)

    def _close_utterance(self, end: int) -> None:
        assert self._utterance is not None
        self._context = self._utterance.context(end)
        finished, self._utterance = self._utterance.close(), None
        self._spans.popleft()
        self._segmenter.hang_over_s = HESITATION_S  # until the next words are read
        self._lines += tuple(finished)

    def _shed(self, asked: _Asked) -> None:
        """Move a long window past the words that are final, so that cost stays flat."""
        assert self._utterance is not None
        committed = self._utterance.committed_in_window
        if asked.seconds > TRIM_WINDOW_S and committed:
            n_passed = (
                len(committed) if asked.is_full else best_cut(committed, self._utterance.language)
            )
            cut = int(committed[n_passed - 1].end * SAMPLE_RATE_HZ)
            self._move_on(min(max(cut, asked.start), asked.end), n_passed)
        elif asked.is_full:  # nothing was said in all of it
            self._move_on(asked.end - int(OVERLAP_S * SAMPLE_RATE_HZ), 0)

    def _move_on(self, window_start: int, n_passed: int) -> None:
        assert self._utterance is not None
        self._lines += tuple(self._utterance.move_on(window_start, n_passed))

    def _keep_language(self, hypothesis: Hypothesis, asked: _Asked) -> None:
        """Once enough was heard, the detected language stays."""
        if self._snapshot.language is not None or not hypothesis.words:
            return
        if asked.seconds >= _seconds_to_trust(hypothesis.language_probability):
            self._snapshot = replace(
                self._snapshot,
                language=hypothesis.language,
                language_probability=hypothesis.language_probability,
            )

    def _forget(self) -> None:
        """Drop audio that nobody will ask for again."""
        oldest = self._spans[0].start if self._spans else self._segmenter.quiet_until
        if self._context is not None:
            if self._context.reaches(oldest):
                oldest = min(oldest, self._context.start)
            else:
                self._context = None
        if self._utterance is not None:
            oldest = max(self._utterance.window_start, self._buffer.start)
        self._buffer.drop_before(min(oldest, self._heard))

    def _publish(
        self,
        *,
        transcribed: int | None = None,
        phase: Phase | None = None,
        error: str | None = None,
    ) -> None:
        utterance = self._utterance
        before = self._snapshot
        self._snapshot = replace(
            before,
            utterances=self._lines,
            committed=utterance.committed if utterance else (),
            tentative=utterance.shown if utterance else (),
            transcribed_s=(
                before.transcribed_s if transcribed is None else transcribed / SAMPLE_RATE_HZ
            ),
            phase=phase or before.phase,
            error=error,
        )

    def _be_done(self) -> None:
        self._publish(transcribed=self._heard, phase=Phase.DONE)
        self._done.set()


def _seconds_to_trust(language_probability: float) -> float:
    """How much speech must be heard before a detected language is kept.

    Whisper guesses badly from little; an English-only model needs no guess.
    """
    if language_probability == 1:
        return 0.0
    for probability, seconds in ((0.9, MIN_COMMIT_S), (0.7, 3.0), (0.5, 6.0)):
        if language_probability >= probability:
            return seconds
    return TRIM_WINDOW_S


def _level_dbfs(power: float) -> float:
    return max(LEVEL_FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else LEVEL_FLOOR_DBFS

"""Words of the utterance that is being spoken; its audio is the session's.

A pure state machine: hypotheses come in, segments go out; it knows neither threads
nor models. Its window begins with the utterance and advances past committed words, so
that it stays short however long somebody speaks without a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import Hypothesis
from asr_core.streaming.config import STREAMING_DEFAULTS, StreamingConfig
from asr_core.streaming.policy import after_committed, stabilize_partial
from asr_core.text.segmentation import is_segment_end, split_into_segments
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Segment, Word, join_words

__all__ = ["Context", "Utterance"]

_ALIGNMENT_ROUNDING_S = 0.01  # half a frame of the alignment


@dataclass(frozen=True)
class Context:
    """End of an utterance, which the window of a soon following one begins with.

    Attributes:
        start: its first sample.
        end: the sample at which the utterance ended.
        words: its words; they are final and in their segments.
        max_gap: samples up to which a later utterance follows soon enough.
    """

    start: int
    end: int
    words: tuple[Word, ...]
    max_gap: int

    def reaches(self, start: int) -> bool:
        """Return True if an utterance that begins at sample ``start`` follows soon enough."""
        return start - self.end <= self.max_gap


class Utterance:
    """State of one utterance; owned by one session, not thread-safe.

    Args:
        start: its first sample.
        context: the end of the utterance before, transcribed again with it.
        config: thresholds.

    Attributes:
        window_start: first sample of the window.
        prompt: text of the utterance before the window.
        draft: tokens of the final words at the start of the last hypothesis of this window.
        tentative: words of the last hypothesis after the final ones.
        shown: the stable part of these, for the reader.
        language: code of the language of the last hypothesis.
        dropped_context: True once the model skipped speech after the context, so that the
            utterance is transcribed without it.
    """

    def __init__(
        self,
        start: int,
        context: Context | None = None,
        config: StreamingConfig = STREAMING_DEFAULTS,
    ) -> None:
        self._start = start
        self._config = config
        self.window_start = context.start if context else start
        self.prompt = ""
        self.language: str | None = None
        self.draft: tuple[int, ...] = ()
        self.tentative: tuple[Word, ...] = ()
        self.shown: tuple[Word, ...] = ()
        self._passed: list[Word] = []  # final, before the window, of the unfinished segment
        self._committed: list[Word] = []  # final, in the window
        self._context = context  # before them in the window
        self.dropped_context = False

    @property
    def committed(self) -> tuple[Word, ...]:
        """Final words of the unfinished segment."""
        return (*self._passed, *self._committed)

    @property
    def committed_in_window(self) -> Sequence[Word]:
        """Final words of the utterance in the window."""
        return self._committed

    @property
    def context_end(self) -> int:
        """Sample of the window at which the utterance's own audio begins."""
        return self._context.end if self._context else self.window_start

    @property
    def _final_in_window(self) -> Sequence[Word]:
        """Final words in the window, those of the context included."""
        return (*(self._context.words if self._context else ()), *self._committed)

    def without_context(self, hypothesis: Hypothesis, offset_s: float) -> Hypothesis:
        """Return a hypothesis of the window without the part that covers the context."""
        if self._context is None:
            return hypothesis
        return hypothesis.after(self._context.words[-1].end - offset_s + _ALIGNMENT_ROUNDING_S)

    def worded_s(self, new: Sequence[Word]) -> float:
        """Return the seconds that the final words in the window and ``new`` ones cover."""
        return sum(word.end - word.start for word in (*self._committed, *new))

    def drop_context(self) -> bool:
        """Begin the window with the utterance itself; return False if it does already."""
        if self._context is None:
            return False
        self.window_start, self._context, self.draft = self._start, None, ()
        self.dropped_context = True
        return True

    def new_words(self, hypothesis: Hypothesis, offset_s: float) -> tuple[Word, ...]:
        """Return the words of a hypothesis of the window after the final ones.

        Args:
            hypothesis: its times count from the start of the window.
            offset_s: start of the window on the session's clock, seconds.
        """
        shifted = [word.shifted(offset_s) for word in hypothesis.words]
        last = (self._final_in_window or self._passed)[-1:]
        earliest_s = last[0].end if last else 0.0
        words = []
        for word in after_committed(self._final_in_window, shifted, self._config):
            start = max(word.start, earliest_s)
            words.append(replace(word, start=start, end=max(word.end, start)))
        return tuple(words)

    def update(self, new: Sequence[Word], n_final: int, audio_end_s: float) -> None:
        """Commit the first ``n_final`` of the ``new`` words; the others are tentative.

        Args:
            new: as `new_words` returns them.
            n_final: how many are final.
            audio_end_s: end of the window on the session's clock, seconds.
        """
        self._committed += new[:n_final]
        final, previous = new[:n_final], self.tentative
        self.tentative = tuple(new[n_final:])
        self.shown = stabilize_partial(
            after_committed(final, self.shown, self._config),
            after_committed(final, previous, self._config),
            self.tentative,
            audio_end_s,
            self._config,
        )

    def save_draft(self, hypothesis: Hypothesis, offset_s: float) -> None:
        """Keep the tokens of the final words, with which the next pass starts.

        Tentative words are decoded anew: only then can other hypotheses win against them.

        Args:
            hypothesis: of the window.
            offset_s: start of the window on the session's clock, seconds.
        """
        final = self._final_in_window
        final_s = final[-1].end - offset_s if final else 0.0
        self.draft = hypothesis.tokens_until(final_s + _ALIGNMENT_ROUNDING_S)

    def advance(self, window_start: int, n_passed: int) -> list[Segment]:
        """Begin the window later, after ``n_passed`` of its final words.

        Returns:
            The segments that are finished by that.
        """
        passed, self._committed = self._committed[:n_passed], self._committed[n_passed:]
        self._context = None
        self.window_start, self.draft = window_start, ()
        text = f"{self.prompt} {join_words(passed)}"
        self.prompt = text[-self._config.prompt_chars :].strip()
        segments = list(split_into_segments((*self._passed, *passed), self.language))
        following = self._committed[0] if self._committed else None
        is_open = segments and not is_segment_end(segments[-1].words, following, self.language)
        open_segment = segments.pop() if is_open else None
        self._passed = list(open_segment.words) if open_segment else []
        return segments

    def close(self) -> list[Segment]:
        """Return the segments that are left at the end of the utterance."""
        return list(split_into_segments(self.committed, self.language))

    def context(self, end: int) -> Context | None:
        """Return the context for the next utterance; None if there are no late words.

        The last ``context_s`` seconds, from the start of a sentence if one starts there.

        Args:
            end: the sample at which this utterance ended.
        """
        config, words = self._config, self._final_in_window
        earliest_s = end / SAMPLE_RATE_HZ - config.context_s
        late = [i for i, word in enumerate(words) if word.start >= earliest_s]
        if not late:
            return None
        starts = [i for i in late if i and ends_sentence(words[:i], words[i], self.language)]
        first = starts[0] if starts else late[0]
        start = round((words[first].start - config.context_lead_s) * SAMPLE_RATE_HZ)
        previous_end = round(words[first - 1].end * SAMPLE_RATE_HZ) if first else 0
        return Context(
            max(start, previous_end, self.window_start),
            end,
            tuple(words[first:]),
            int(config.max_context_gap_s * SAMPLE_RATE_HZ),
        )

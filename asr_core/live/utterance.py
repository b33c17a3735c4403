"""What is known of the utterance that is being spoken: words, not audio.

A pure state machine: hypotheses come in, lines go out; it knows neither threads
nor models. Its window begins with the utterance and moves on past words that are
final, so that it stays short however long somebody speaks without a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import Hypothesis
from asr_core.lines import is_whole, lines
from asr_core.live.policy import remaining, steady
from asr_core.sentences import ends_sentence
from asr_core.transcript import Segment, Word, join_words

__all__ = ["Context", "Utterance"]

_ROUNDING_S = 0.01  # half a frame

PROMPT_CHARACTERS = 200
"""Of the same utterance, given to the model when its audio is gone."""

CONTEXT_S = 5.0
"""Of an utterance, heard again before the next one."""

CONTEXT_GAP_S = 1.5
"""After a longer pause nothing is: the model often takes it for the end of all, and passes
over a few words that follow."""

_LEAD_S = 0.5  # before the first word of a context: its time may be late


@dataclass(frozen=True)
class Context:
    """What the model hears before an utterance that soon follows another one.

    Attributes:
        start: its first sample.
        end: where the earlier utterance ended, in samples.
        words: that are said in it; they are final and stand in their lines.
    """

    start: int
    end: int
    words: tuple[Word, ...]

    def reaches(self, start: int) -> bool:
        """Whether an utterance that begins at sample ``start`` follows soon enough."""
        return start - self.end <= CONTEXT_GAP_S * SAMPLE_RATE_HZ


class Utterance:
    """Owned by one session; not for two threads at once.

    Args:
        start: its first sample.
        context: what was said just before, heard again with it.

    Attributes:
        window_start: first sample that the model still looks at.
        prompt: what was said before the window.
        draft: of the last hypothesis of this window the tokens of its final words.
        tentative: words after the final ones, as they seem now.
        shown: of those, what a reader is given: steadier, and no halves of words.
        language: code of what is spoken, as the last hypothesis has it.
        passed_over: with its context the model heard little in it, so that it is heard alone.
    """

    def __init__(self, start: int, context: Context | None = None) -> None:
        self._start = start
        self.window_start = context.start if context else start
        self.prompt = ""
        self.language: str | None = None
        self.draft: tuple[int, ...] = ()
        self.tentative: tuple[Word, ...] = ()
        self.shown: tuple[Word, ...] = ()
        self._passed: list[Word] = []  # final, before the window, their line unfinished
        self._committed: list[Word] = []  # final, in the window
        self._context = context  # before them in the window
        self.passed_over = False

    @property
    def committed(self) -> tuple[Word, ...]:
        """Final words of the line that is being spoken."""
        return (*self._passed, *self._committed)

    @property
    def committed_in_window(self) -> Sequence[Word]:
        return self._committed

    @property
    def own_start(self) -> int:
        """The sample in the window from which on nothing was heard before."""
        return self._context.end if self._context else self.window_start

    @property
    def _known(self) -> Sequence[Word]:
        """Final words in the window, those of the context among them."""
        return (*(self._context.words if self._context else ()), *self._committed)

    def own(self, hypothesis: Hypothesis, offset_s: float) -> Hypothesis:
        """A hypothesis of the window without what it says of the context."""
        if self._context is None:
            return hypothesis
        return hypothesis.after(self._context.words[-1].end - offset_s + _ROUNDING_S)

    def said_s(self, new: Sequence[Word]) -> float:
        """How long its final words in the window and ``new`` ones take."""
        return sum(word.end - word.start for word in (*self._committed, *new))

    def forget_context(self) -> bool:
        """From now on it is heard alone; False if it is already."""
        if self._context is None:
            return False
        self.window_start, self._context, self.draft = self._start, None, ()
        self.passed_over = True
        return True

    def new_words(self, hypothesis: Hypothesis, offset_s: float) -> tuple[Word, ...]:
        """The words of a hypothesis of the window after those that are final.

        Args:
            offset_s: where the window begins on the session's clock.
        """
        heard = [word.shifted(offset_s) for word in hypothesis.words]
        last = (self._known or self._passed)[-1:]
        earliest = last[0].end if last else 0.0
        words = []
        for word in remaining(self._known, heard):
            start = max(word.start, earliest)
            words.append(replace(word, start=start, end=max(word.end, start)))
        return tuple(words)

    def take(self, new: Sequence[Word], n_final: int, heard_until_s: float) -> None:
        """The first ``n_final`` of the ``new`` words are final, the others seem so."""
        self._committed += new[:n_final]
        final, before = new[:n_final], self.tentative
        self.tentative = tuple(new[n_final:])
        self.shown = steady(
            remaining(final, self.shown),
            remaining(final, before),
            self.tentative,
            heard_until_s,
        )

    def draw_up(self, hypothesis: Hypothesis, offset_s: float) -> None:
        """Keep the tokens of the final words: from these the next look starts. What seems
        likely is heard anew, since only then other texts can speak against it.

        Args:
            offset_s: where the window begins on the session's clock.
        """
        final_s = self._known[-1].end - offset_s if self._known else 0.0
        self.draft = hypothesis.draft_until(final_s + _ROUNDING_S)

    def move_on(self, window_start: int, n_passed: int) -> list[Segment]:
        """Begin the window later, behind ``n_passed`` of its final words.

        Returns:
            The lines that are finished thereby.
        """
        passed, self._committed = self._committed[:n_passed], self._committed[n_passed:]
        self._context = None
        self.window_start, self.draft = window_start, ()
        self.prompt = f"{self.prompt} {join_words(passed)}"[-PROMPT_CHARACTERS:].strip()
        whole = list(lines((*self._passed, *passed), self.language))
        following = self._committed[0] if self._committed else None
        is_open = whole and not is_whole(whole[-1].words, following, self.language)
        open_line = whole.pop() if is_open else None
        self._passed = list(open_line.words) if open_line else []
        return whole

    def close(self) -> list[Segment]:
        """The lines that are left at the end of the utterance."""
        return list(lines(self.committed, self.language))

    def context(self, end: int) -> Context | None:
        """Of this utterance, which ended at sample ``end``, what is heard before the next one:
        its last ``CONTEXT_S``, from the beginning of a sentence on if one begins there."""
        words = self._known
        earliest_s = end / SAMPLE_RATE_HZ - CONTEXT_S
        late = [i for i, word in enumerate(words) if word.start >= earliest_s]
        if not late:
            return None
        begins = [i for i in late if i and ends_sentence(words[:i], words[i], self.language)]
        first = begins[0] if begins else late[0]
        start = round((words[first].start - _LEAD_S) * SAMPLE_RATE_HZ)
        heard_before = round(words[first - 1].end * SAMPLE_RATE_HZ) if first else 0
        return Context(max(start, heard_before, self.window_start), end, tuple(words[first:]))

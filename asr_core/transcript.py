"""What recognition results in: words, segments and transcripts.

All times are seconds on the audio clock: zero is the first sample of the
recording or of the live session, counted in samples, never in wall time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Segment", "Transcript", "Word", "join_words", "normalised"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the model wrote it.

    Attributes:
        text: with the leading space that the script calls for, so that words
            join to running text in any language (Chinese has none).
        start: seconds.
        end: seconds, never before ``start``.
        probability: mean probability of the word's tokens, times the share of the texts
            that the decoder's beam kept in which the word is said; 0 to 1.
    """

    text: str
    start: float
    end: float
    probability: float

    def shifted(self, offset_s: float) -> Word:
        """The same word ``offset_s`` seconds later."""
        return replace(self, start=self.start + offset_s, end=self.end + offset_s)


def normalised(text: str) -> str:
    """``text`` without case, punctuation and spaces: what comparing is about."""
    return "".join(character for character in text.casefold() if character.isalnum())


def join_words(words: Iterable[Word]) -> str:
    """Running text of ``words``, without outer spaces."""
    return "".join(word.text for word in words).strip()


_NUMBERS = struct.Struct("=3dI")  # of a word: start, end, probability, characters


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between two pauses: one line on the page.

    Its words stand packed, in a quarter of the memory that objects take: a day of speech
    has 200 000 of them.

    Attributes:
        start, end: seconds.
        language: code, where it was detected for this stretch alone.
        speaker: who said it, where speakers are told apart: the name of the channel.
    """

    start: float
    end: float
    _joined: str
    _numbers: bytes = field(repr=False)
    language: str | None = None
    speaker: str | None = None

    @classmethod
    def of(
        cls, words: Sequence[Word], language: str | None = None, speaker: str | None = None
    ) -> Segment:
        """The segment that spans ``words``; there must be at least one."""
        numbers = (_NUMBERS.pack(w.start, w.end, w.probability, len(w.text)) for w in words)
        return cls(
            words[0].start,
            max(word.end for word in words),
            "".join(word.text for word in words),
            b"".join(numbers),
            language,
            speaker,
        )

    @property
    def words(self) -> tuple[Word, ...]:
        """Made anew each time."""
        texts = io.StringIO(self._joined)
        return tuple(
            Word(texts.read(n_characters), start, end, probability)
            for start, end, probability, n_characters in _NUMBERS.iter_unpack(self._numbers)
        )

    @property
    def text(self) -> str:
        return self._joined.strip()


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was said in one recording or one live take.

    Attributes:
        segments: in the order of time; those of different speakers may overlap.
        duration: of the audio, seconds.
        language: code as Whisper names it (``"en"``), or None where no speech
            was found.
        language_probability: 0 to 1; 1 where the user gave the language.
        notes: sentences for the user, such as "the file breaks off after …".
        tracks: names of the file's sound tracks, if it has several; the first is number 1.
    """

    segments: tuple[Segment, ...]
    duration: float
    language: str | None = None
    language_probability: float = 0.0
    notes: tuple[str, ...] = field(default=())
    tracks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

"""What every engine does around its model: batches, prompts, words, quality.

Each engine adds how to encode, detect the language, decode and align.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import (
    MAX_WINDOW_S,
    EngineName,
    Hypothesis,
    Window,
    mean_logprob,
    nothing,
)
from asr_core.engines.draft import n_standing
from asr_core.engines.echo import is_misled, may_be_misled
from asr_core.engines.features import FRAMES_PER_SECOND, HOP_SAMPLES, log_mel
from asr_core.engines.support import support
from asr_core.engines.tokens import MAX_POSITIONS, Vocabulary, WordTokens
from asr_core.engines.turns import Turns
from asr_core.errors import AsrError, EngineError
from asr_core.repetition import first_turn, unspoken
from asr_core.transcript import Word, normalised

__all__ = ["Aligned", "Decoded", "WhisperEngine"]

PADDING_S = 5.0
"""Silence after the audio. With less, a greedy decoder may miss its end and repeat
itself; five seconds measured as good as padding to thirty (word error rate of
tiny.en and base on 32 LJ Speech clips)."""

BEAM_PADDING_S = 2.0
"""The same for a beam, in which texts that run on lose to those that end: from two
seconds on as good as five (1000 s of read speech, both models, beams of five)."""

BEAM_CONTEXT_S = 15.0
"""But never less altogether: with little to look at, a beam says a short phrase twice.
On 124 clips of 1 to 20 s, tiny.en had 12.1 % of words wrong without such a floor,
10.7 % with one of ten seconds, 9.0 % with fifteen, 8.7 % with twenty; greedy 11.6 %."""

LOOK_CONTEXT_S = 10.0
"""Of a look that is followed by others: two thirds of the time. What it then says twice is
mostly left out (``unspoken``), the rest is gone with the next look."""

SECONDS_PER_FRAME = 0.02
"""Of the encoder's output: mel hop of 10 ms, halved by a strided convolution."""

_TOKENS_PER_SECOND = 16
_TOKENS_AT_LEAST = 24
_ONE_BY_ONE = re.compile(r"\d|(?<![\w'’])[^\W\d_](?![\w'’])")  # "599-341", "A-B-C", "U.S."

_CONTEXT_STEP_S = 0.5  # so that few different shapes reach the model

Encoded = TypeVar("Encoded")


@dataclass(frozen=True)
class Aligned:
    """Of each text token the first frame and the probability, and the last end."""

    frames: NDArray[np.int64]  # (n_tokens + 1,): the last is where the text ends
    probabilities: Sequence[float]  # (n_tokens,)


@dataclass(frozen=True)
class Decoded:
    """Text tokens, those of the draft first, and the no-speech probability."""

    tokens: list[int]
    no_speech_probability: float
    alternatives: Sequence[list[int]] = ()  # the other texts that the beam kept
    weights: Sequence[float] = ()  # how likely each of them is beside the best one
    aligned: Aligned | None = None  # where it comes with the text, the draft checked


@dataclass(frozen=True)
class Request:
    """What one window asks of the decoder."""

    previous: list[int]
    start: list[int]
    draft: list[int]
    max_new_tokens: int
    repetition_penalty: float
    beam_size: int
    n_frames: int  # encoder frames that hold audio
    is_look: bool

    @property
    def prompt(self) -> list[int]:
        """All that the decoder is given before it says anything."""
        return self.previous + self.start + self.draft

    def cut(self, n_tokens: int) -> Request:
        """The same with a shorter draft."""
        n_freed = len(self.draft) - n_tokens
        return replace(
            self, draft=self.draft[:n_tokens], max_new_tokens=self.max_new_tokens + n_freed
        )


class WhisperEngine(ABC, Generic[Encoded]):
    """A Whisper model behind the :class:`~asr_core.engines.base.Engine` protocol.

    Any thread may call ``transcribe``. As many calls as the engine has workers
    run side by side, others take turns.

    Args:
        n_parallel: workers of the model.
        batch_size: windows that a worker takes at once when they are urgent.
        patient_batch_size: the same when nobody waits for the first of them.
        encodes_batches: the encoder is quicker with several windows than with one
            after the other.
        has_beams: ``_decode`` follows several texts if asked to.
        checks_drafts: ``_decode`` goes on from a draft, and that is worth while.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        n_mels: int,
        *,
        n_parallel: int = 1,
        batch_size: int = 1,
        patient_batch_size: int = 1,
        encodes_batches: bool = False,
        has_beams: bool = False,
        checks_drafts: bool = False,
    ) -> None:
        self.vocabulary = vocabulary
        self._n_mels = n_mels
        self._n_parallel, self._batch_size = n_parallel, batch_size
        self._patient_batch_size = patient_batch_size
        self._encodes_batches, self._has_beams = encodes_batches, has_beams
        self._checks_drafts = checks_drafts
        self._turns = Turns(n_parallel)

    @property
    def n_parallel(self) -> int:
        return self._n_parallel

    @property
    def batch_size(self) -> int:
        return self._batch_size

    @property
    def patient_batch_size(self) -> int:
        return self._patient_batch_size

    @property
    @abstractmethod
    def name(self) -> EngineName: ...

    @property
    @abstractmethod
    def device(self) -> str: ...

    @property
    def languages(self) -> Sequence[str]:
        return self.vocabulary.languages

    @abstractmethod
    def _encode(self, features: NDArray[np.float32]) -> Encoded:
        """(batch, n_mels, n_frames) log-mel → the encoder's output."""

    @abstractmethod
    def _take(self, encoded: Encoded, indices: list[int]) -> Encoded:
        """The rows ``indices`` of the batch."""

    @abstractmethod
    def _join(self, encoded: list[Encoded]) -> Encoded:
        """Several outputs of the encoder, of one length, as one batch."""

    @abstractmethod
    def _language_probabilities(self, encoded: Encoded) -> list[dict[str, float]]:
        """Of each row, the probability of every language."""

    @abstractmethod
    def _decode(self, encoded: Encoded, requests: list[Request]) -> list[Decoded]:
        """Decode rows with one previous text, one start and drafts of one length."""

    @abstractmethod
    def _align(
        self, encoded: Encoded, requests: list[Request], texts: list[list[int]]
    ) -> list[Aligned]:
        """Times and probabilities of given texts, none of them empty."""

    def detect_language(self, windows: Sequence[Window]) -> tuple[str, float]:
        """See :meth:`asr_core.engines.base.Engine.detect_language`."""
        if not self.vocabulary.multilingual:
            return "en", 1.0
        with _failures_explained():
            encoded = self._encoded_in_turns(windows)
            with self._turns.take(patient=True):
                rows = self._language_probabilities(encoded)
        mean = {language: sum(row[language] for row in rows) / len(rows) for language in rows[0]}
        return max(mean.items(), key=lambda item: item[1])

    def transcribe(
        self,
        windows: Sequence[Window],
        *,
        patient: bool = False,
        between_steps: Callable[[], None] = nothing,
    ) -> list[Hypothesis]:
        """See :meth:`asr_core.engines.base.Engine.transcribe`."""
        for window in windows:
            self._check(window)
        size = self._patient_batch_size if patient else self._batch_size
        hypotheses: list[Hypothesis] = []
        with _failures_explained():
            for share in _shares(windows, max(1, -(-len(windows) // size))):
                hypotheses += self._transcribe(share, patient, between_steps)
        return hypotheses

    def warm_up(self) -> None:
        """One second of silence, so that the first speaker does not wait for set-up."""
        silence = Window(np.zeros(SAMPLE_RATE_HZ, np.float32), language="en")
        self.transcribe([silence], patient=True)  # nobody is speaking yet

    def _check(self, window: Window) -> None:
        if len(window.samples) > MAX_WINDOW_S * SAMPLE_RATE_HZ:
            raise ValueError(f"a window may last {MAX_WINDOW_S:.0f} s at most")
        if window.language is not None and window.language not in self.vocabulary.language_tokens:
            raise ValueError(f"the model does not know the language {window.language!r}")

    def _transcribe(
        self, windows: Sequence[Window], patient: bool, between_steps: Callable[[], None]
    ) -> list[Hypothesis]:
        if patient:
            encoded = self._encoded_in_turns(windows, between_steps)
            between_steps()
            with self._turns.take(patient=True):
                return self._said(windows, encoded)
        with self._turns.take(patient=False):
            return self._said(windows, self._encode(self._features(windows)))

    def _encoded_in_turns(
        self, windows: Sequence[Window], between_steps: Callable[[], None] = nothing
    ) -> Encoded:
        """The windows through the encoder; who cannot wait gets turns in between."""
        features = self._features(windows)
        parts = [features] if self._encodes_batches else np.split(features, len(features))
        encoded = []
        for part in parts:
            between_steps()
            with self._turns.take(patient=True):
                encoded.append(self._encode(part))
        return encoded[0] if len(encoded) == 1 else self._join(encoded)

    def _said(self, windows: Sequence[Window], encoded: Encoded) -> list[Hypothesis]:
        """Return what encoded windows say; one that its prompt misled is read without."""
        hypotheses = self._read(windows, encoded)
        suspect = [
            i
            for i, (window, hypothesis) in enumerate(zip(windows, hypotheses, strict=True))
            if may_be_misled(hypothesis.words, window.prompt, is_look=window.is_look)
        ]
        if suspect:
            without = [replace(windows[i], prompt="") for i in suspect]
            plain = self._read(without, self._take(encoded, suspect))
            for i, other in zip(suspect, plain, strict=True):
                if is_misled(hypotheses[i].text, windows[i].prompt, other.text):
                    hypotheses[i] = other
        return hypotheses

    def _read(self, windows: Sequence[Window], encoded: Encoded) -> list[Hypothesis]:
        """What the decoder makes of encoded windows."""
        languages = self._languages_of(encoded, windows)
        requests = [
            self._request(window, language)
            for window, (language, _) in zip(windows, languages, strict=True)
        ]
        texts: dict[int, tuple[Decoded, Aligned | None]] = {}
        while len(texts) < len(windows):
            left = [i for i in range(len(windows)) if i not in texts]
            for indices in _alike(requests, left):
                rows = self._take(encoded, indices)
                group = [requests[i] for i in indices]
                for i, text in zip(indices, self._decode_and_align(rows, group), strict=True):
                    n_draft = len(requests[i].draft)
                    n_held = n_standing(text[1].probabilities[:n_draft]) if text[1] else 0
                    if text[0].aligned or n_held == n_draft:
                        texts[i] = text
                    else:
                        requests[i] = requests[i].cut(n_held)
        return [self._hypothesis(*texts[i], *languages[i]) for i in range(len(windows))]

    def _features(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """(batch, n_mels, n_frames), all padded to the longest context wanted."""
        context_s = max(self._context_s(window) for window in windows)
        n_frames = round(context_s * FRAMES_PER_SECOND)
        return np.stack([log_mel(window.samples, self._n_mels, n_frames) for window in windows])

    def _context_s(self, window: Window) -> float:
        duration_s = len(window.samples) / SAMPLE_RATE_HZ
        if window.context_s is not None:
            wanted = window.context_s
        elif self._beam_size(window) > 1:
            least = LOOK_CONTEXT_S if window.is_look else BEAM_CONTEXT_S
            wanted = max(duration_s + BEAM_PADDING_S, least)
        else:
            wanted = duration_s + PADDING_S
        stepped = math.ceil(max(wanted, duration_s) / _CONTEXT_STEP_S) * _CONTEXT_STEP_S
        return min(stepped, MAX_WINDOW_S)

    def _beam_size(self, window: Window) -> int:
        return window.beam_size if self._has_beams else 1

    def _languages_of(self, encoded: Encoded, windows: Sequence[Window]) -> list[tuple[str, float]]:
        if not self.vocabulary.multilingual:
            return [("en", 1.0)] * len(windows)
        asked = [i for i, window in enumerate(windows) if window.language is None]
        found: dict[int, tuple[str, float]] = {}
        if asked:
            rows = self._language_probabilities(self._take(encoded, asked))
            for i, row in zip(asked, rows, strict=True):
                found[i] = max(row.items(), key=lambda item: item[1])
        return [
            found[i] if window.language is None else (window.language, 1.0)
            for i, window in enumerate(windows)
        ]

    def _request(self, window: Window, language: str) -> Request:
        duration_s = len(window.samples) / SAMPLE_RATE_HZ
        previous = self.vocabulary.previous_text(window.prompt)
        start = self.vocabulary.start_sequence(language, window.task)
        room = MAX_POSITIONS - len(previous) - len(start) - 1
        draft = list(window.draft[: room - 1]) if self._checks_drafts else []
        limit = _TOKENS_AT_LEAST + math.ceil(_TOKENS_PER_SECOND * duration_s) - len(draft)
        return Request(
            previous=previous,
            start=start,
            draft=draft,
            max_new_tokens=min(max(limit, _TOKENS_AT_LEAST), room - len(draft)),
            repetition_penalty=window.repetition_penalty,
            beam_size=self._beam_size(window),
            n_frames=max(1, len(window.samples) // (2 * HOP_SAMPLES)),
            is_look=window.is_look,
        )

    def _decode_and_align(
        self, rows: Encoded, requests: list[Request]
    ) -> list[tuple[Decoded, Aligned | None]]:
        decoded = [
            _without_run_on(text, request)
            for text, request in zip(self._decode(rows, requests), requests, strict=True)
        ]
        return list(zip(decoded, self._align_spoken(rows, requests, decoded), strict=True))

    def _align_spoken(
        self, rows: Encoded, requests: list[Request], decoded: list[Decoded]
    ) -> list[Aligned | None]:
        """Align those rows in which anything was said."""
        aligned = [text.aligned for text in decoded]
        spoken = [i for i, text in enumerate(decoded) if text.tokens and not text.aligned]
        if spoken:
            results = self._align(
                self._take(rows, spoken),
                [requests[i] for i in spoken],
                [decoded[i].tokens for i in spoken],
            )
            for i, result in zip(spoken, results, strict=True):
                aligned[i] = result
        return aligned

    def _hypothesis(
        self,
        decoded: Decoded,
        aligned: Aligned | None,
        language: str,
        language_probability: float,
    ) -> Hypothesis:
        words: tuple[Word, ...] = ()
        if aligned is not None:
            pieces = self.vocabulary.split_words(decoded.tokens, language)
            pieces, decoded, aligned = _said_once(pieces, decoded, aligned)
            words = self._words(pieces, decoded, aligned, language)
        probabilities = () if aligned is None else tuple(aligned.probabilities)
        text = "".join(word.text for word in words).encode()
        return Hypothesis(
            words=words,
            tokens=tuple(decoded.tokens),
            token_ends=_token_ends(aligned),
            token_probabilities=probabilities,
            language=language,
            language_probability=language_probability,
            no_speech_probability=decoded.no_speech_probability,
            avg_logprob=mean_logprob(probabilities),
            compression_ratio=len(text) / len(zlib.compress(text)) if text else 1.0,
        )

    def _words(
        self, pieces: Sequence[WordTokens], decoded: Decoded, aligned: Aligned, language: str
    ) -> tuple[Word, ...]:
        texts = [
            [piece.text for piece in self.vocabulary.split_words(tokens, language)]
            for tokens in decoded.alternatives
        ]
        backed = support([piece.text for piece in pieces], texts, decoded.weights)
        words: list[Word] = []
        at = 0
        for piece, share in zip(pieces, backed, strict=True):
            after = at + piece.n_tokens
            probability = share * float(np.mean(aligned.probabilities[at:after]))
            start = float(aligned.frames[at]) * SECONDS_PER_FRAME
            end = float(aligned.frames[after]) * SECONDS_PER_FRAME
            words.append(
                _plausible(
                    Word(piece.text, start, end, probability),
                    is_first=not words,
                )
            )
            at = after
        return tuple(words)


@contextmanager
def _failures_explained() -> Iterator[None]:
    """What the model's library raises, as a sentence."""
    try:
        yield
    except AsrError:
        raise
    except (RuntimeError, MemoryError) as error:
        raise EngineError(
            f"The model failed on this audio ({error}); if it keeps failing, "
            "a smaller model may fit this machine."
        ) from error


def _without_run_on(decoded: Decoded, request: Request) -> Decoded:
    """Cut off the cycle of a decoder that missed the end of the speech.

    Such text goes on to the limit and ends in one phrase over and over; of the
    cycle its first turn is kept.
    """
    tokens = decoded.tokens
    if len(tokens) < len(request.draft) + request.max_new_tokens:
        return decoded
    return replace(decoded, tokens=first_turn(tokens), aligned=None)


def _said_once(
    pieces: list[WordTokens], decoded: Decoded, aligned: Aligned
) -> tuple[list[WordTokens], Decoded, Aligned]:
    """All without the words that the text says again in no time."""
    afters = list(itertools.accumulate(piece.n_tokens for piece in pieces))
    begins = [0, *afters[:-1]]
    seconds = (aligned.frames[afters] - aligned.frames[begins]) * SECONDS_PER_FRAME
    gone = unspoken([normalised(piece.text) for piece in pieces], seconds.tolist())
    if not gone:
        return pieces, decoded, aligned
    said = [i for i in range(len(pieces)) if i not in gone]
    kept = [token for i in said for token in range(begins[i], afters[i])]
    return (
        [pieces[i] for i in said],
        replace(decoded, tokens=[decoded.tokens[at] for at in kept]),
        Aligned(
            aligned.frames[[*kept, kept[-1] + 1]],
            [aligned.probabilities[at] for at in kept],
        ),
    )


def _plausible(word: Word, *, is_first: bool) -> Word:
    """Take a pause off a word: the alignment leaves no frame to nobody.

    A pause goes to the word before it, that before all speech to the first.
    Nobody takes longer than about 0.4 s and another 0.1 s a letter, or 0.6 s where digits and
    letters are said one by one.
    """
    n_one_by_one = len(_ONE_BY_ONE.findall(word.text))
    longest = 0.4 + 0.1 * len(word.text.strip()) + 0.5 * (n_one_by_one if n_one_by_one > 1 else 0)
    if word.end - word.start <= longest:
        return word
    if is_first:
        return Word(word.text, word.end - longest, word.end, word.probability)
    return Word(word.text, word.start, word.start + longest, word.probability)


def _token_ends(aligned: Aligned | None) -> tuple[float, ...]:
    return () if aligned is None else tuple((aligned.frames[1:] * SECONDS_PER_FRAME).tolist())


def _shares(windows: Sequence[Window], n: int) -> list[Sequence[Window]]:
    """``windows`` in ``n`` runs of about one length, none of them empty."""
    cuts = [len(windows) * i // n for i in range(n + 1)]
    return [windows[a:b] for a, b in itertools.pairwise(cuts) if b > a]


def _alike(requests: Sequence[Request], which: Sequence[int]) -> list[list[int]]:
    """Those of the requests ``which`` that one call of the decoder can serve."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i in which:
        request = requests[i]
        before = (*request.previous, *request.start)
        how = (request.repetition_penalty, request.beam_size, request.is_look)
        kind = (before, len(request.draft), *how)
        groups[kind].append(i)
    return list(groups.values())

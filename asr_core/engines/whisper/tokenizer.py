"""Whisper's tokenizer: prompts to tokens, tokens to words; the same for every engine."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_core.engines.base import Task
from asr_core.engines.whisper.terms import TermTrie
from asr_core.errors import ModelError
from asr_core.models.safe_json import read_bounded
from asr_core.text.terms import MAX_TERMS

__all__ = ["MAX_POSITIONS", "WhisperTokenizer", "WordTokens"]

MAX_POSITIONS = 448
"""Positions of Whisper's decoder, for prompt and text together."""

MAX_PROMPT_TOKENS = MAX_POSITIONS // 2 - 1
"""Longest prompt: half of the positions, as in openai-whisper."""

_MAX_BYTES = 64_000_000  # Whisper's have up to 3 MB

_CACHE_SIZE = 8192  # decoded texts of short runs of tokens

_N_TRIES = 16  # lists of terms kept as tries

_FIRST_CJK = "\u2e80"

_SPLIT_BY_CHARACTER = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_REPLACEMENT = "\ufffd"  # decoded from an incomplete character

_MERGES = re.compile(r'"merges"\s*:\s*\[\s*(?=["\[])')
_FIRST_MERGE = re.compile(r'(\[\s*)?"(?:\u0120|\\u0120)(?: |"\s*,\s*")t"')
"""``"\u0120 t"`` or ``["\u0120", "t"]``, by the version of the tokenizers package that wrote it."""


def _repaired(text: str) -> str:
    """Return a tokenizer's JSON with the first merge, which many copies have lost.

    Without it, " the" and all other words with a "t" after the space would be split into other
    tokens than the model was trained on. It is put in as text, since parsing it all would take
    as long as a tenth of loading the model.
    """
    merges = _MERGES.search(text)
    if merges is None or _FIRST_MERGE.match(text, merges.end()):
        return text
    if '"\u0120t"' not in text and '"\\u0120t"' not in text:  # not a word of this model
        return text
    start = merges.end()
    lost = '["\u0120", "t"], ' if text[start] == "[" else '"\u0120 t", '
    return text[:start] + lost + text[start:]


@dataclass(frozen=True, slots=True)
class WordTokens:
    """Text of a word and the number of its tokens."""

    text: str
    n_tokens: int


class WhisperTokenizer:
    """Tokenizer of one model; immutable, so any thread may use it.

    Args:
        directory: of the model.
        multilingual: the model knows languages beside English.

    Attributes:
        start: token ``<|startoftranscript|>``.
        end: token ``<|endoftext|>``; all text tokens are below it.
        no_timestamps: token ``<|notimestamps|>``; time stamps are above it.
        no_speech: token of the no-speech probability.
        language_tokens: token by language code.

    Raises:
        ModelError: ``directory`` holds no Whisper tokenizer.
    """

    def __init__(self, directory: Path, *, multilingual: bool) -> None:
        from tokenizers import Tokenizer

        try:
            text = read_bounded(directory / "tokenizer.json", _MAX_BYTES).decode()
            self._tokenizer = Tokenizer.from_str(_repaired(text))
        except Exception:  # the library raises bare Exception
            raise ModelError(
                f"The model in {directory} has no tokenizer.json that can be read; "
                "delete that folder and fetch the model again."
            ) from None
        self.multilingual = multilingual
        # A cache per tokenizer: a shared one would keep those of unloaded models alive.
        self._piece = functools.lru_cache(maxsize=_CACHE_SIZE)(self.decode)
        self.term_trie = functools.lru_cache(maxsize=_N_TRIES)(self._term_trie)
        self.start = self._id("<|startoftranscript|>")
        self.end = self._id("<|endoftext|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self.no_speech = self.no_timestamps - 1
        self._previous = self._id("<|startofprev|>")
        self._tasks = {
            "translate": self._id("<|translate|>"),
            "transcribe": self._id("<|transcribe|>"),
        }
        self.language_tokens = self._find_languages() if multilingual else {"en": self.start}

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that the model knows."""
        return tuple(self.language_tokens)

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelError(f"The model's tokenizer lacks {token}, so it is no Whisper model.")
        return int(number)

    def _find_languages(self) -> dict[str, int]:
        numbers = range(self.start + 1, min(self._tasks.values()))
        tokens = {str(self._tokenizer.id_to_token(number)): number for number in numbers}
        return {token[2:-2]: number for token, number in tokens.items()}

    def start_sequence(self, language: str, task: Task) -> list[int]:
        """Return the start-of-transcript sequence: language, task, no time stamps."""
        if not self.multilingual:
            return [self.start, self.no_timestamps]
        return [self.start, self.language_tokens[language], self._tasks[task], self.no_timestamps]

    def prompt_tokens(self, prompt: str, max_tokens: int = MAX_PROMPT_TOKENS) -> list[int]:
        """Return the tokens that carry ``prompt``; its last words if it is long, none if empty."""
        n_text = min(max_tokens, MAX_PROMPT_TOKENS) - 1
        if not prompt.strip() or n_text < 1:
            return []
        return [self._previous, *self.encode(" " + prompt.strip())[-n_text:]]

    def _term_trie(self, terms: tuple[str, ...]) -> TermTrie | None:
        """Return the trie of these terms; None without any. ``term_trie`` keeps the latest."""
        spellings = [self.encode(" " + term.strip()) for term in terms[:MAX_TERMS] if term.strip()]
        return TermTrie(spellings, self._continues_word) if spellings else None

    def _continues_word(self, token: int) -> bool:
        """Return True if the token goes on with the word before it, in scripts that have spaces."""
        text = self._piece((token,))
        return bool(text) and text[0].isalnum() and text[0] < _FIRST_CJK

    def encode(self, text: str) -> list[int]:
        """Return the text tokens of ``text``, leading spaces included."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``, without special ones."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def is_punctuation(self, token: int) -> bool:
        """Return True if the token has neither letters, digits nor a part of a character."""
        text = self._piece((token,))
        return not any(c.isalnum() or c == _REPLACEMENT for c in text)

    def text_only(self, tokens: Sequence[int]) -> list[int]:
        """Return ``tokens`` without special ones and time stamps."""
        return [token for token in tokens if token < self.end]

    def split_words(self, tokens: Sequence[int], language: str) -> list[WordTokens]:
        """Split text tokens into words; punctuation joins the word before it."""
        words: list[WordTokens] = []
        for text, n_tokens in self._characters(tokens):
            new_word = text.startswith(" ") or language in _SPLIT_BY_CHARACTER
            if words and (not new_word or not any(c.isalnum() for c in text)):
                last = words[-1]
                words[-1] = WordTokens(last.text + text, last.n_tokens + n_tokens)
            else:
                words.append(WordTokens(text, n_tokens))
        return words

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, int]]:
        """Return shortest runs of tokens that decode to whole characters, and their lengths."""
        pieces: list[tuple[str, int]] = []
        begin = 0
        for end in range(1, len(tokens) + 1):
            text = self._piece(tuple(tokens[begin:end]))
            if _REPLACEMENT not in text or end == len(tokens):
                pieces.append((text, end - begin))
                begin = end
        return pieces

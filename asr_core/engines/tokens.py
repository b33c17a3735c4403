"""Whisper's vocabulary: prompts in, words out; the same for every engine."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_core.engines.base import Task
from asr_core.errors import ModelError

__all__ = ["Vocabulary", "WordTokens"]

MAX_POSITIONS = 448
"""Of Whisper's decoder, for prompt and text together."""

MAX_PROMPT_TOKENS = MAX_POSITIONS // 2 - 1
"""As in the paper: half of the positions may hold what came before."""

_N_PIECES = 8192  # texts of short runs of tokens that are remembered

_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_REPLACEMENT = "\ufffd"  # what half a character decodes to


def _repaired(path: Path) -> str:
    """The tokenizer's JSON, with the merge that many copies of it have lost.

    Their list of merges begins with the second one, so that " the" and all else
    with a "t" after a space would not come out as the model was trained on.
    """
    text = path.read_text(encoding="utf-8")
    data = json.loads(text)
    merges, vocabulary = data["model"]["merges"], data["model"]["vocab"]
    as_pair = bool(merges) and not isinstance(merges[0], str)
    lost = ["\u0120", "t"] if as_pair else "\u0120 t"
    if "\u0120t" not in vocabulary or lost in merges:
        return text
    data["model"]["merges"] = [lost, *merges]
    return json.dumps(data)


@dataclass(frozen=True, slots=True)
class WordTokens:
    """A word's text and how many tokens it took."""

    text: str
    n_tokens: int


class Vocabulary:
    """The tokens of one model; immutable, so any thread may use it.

    Raises:
        ModelError: ``directory`` holds no Whisper tokenizer.
    """

    def __init__(self, directory: Path, *, multilingual: bool) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(_repaired(directory / "tokenizer.json"))
        except Exception:  # the library raises bare Exception
            raise ModelError(
                f"The model in {directory} has no tokenizer.json that can be read; "
                "delete that folder and fetch the model again."
            ) from None
        self.multilingual = multilingual
        # Of each vocabulary its own: one for all would keep those of models that are gone.
        self._piece = functools.lru_cache(maxsize=_N_PIECES)(self.decode)
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
        """The tokens that tell the decoder what to do."""
        if not self.multilingual:
            return [self.start, self.no_timestamps]
        return [self.start, self.language_tokens[language], self._tasks[task], self.no_timestamps]

    def previous_text(self, prompt: str) -> list[int]:
        """The tokens that carry ``prompt``, its last words if it is long."""
        if not prompt.strip():
            return []
        tokens = self.encode(" " + prompt.strip())
        return [self._previous, *tokens[-(MAX_PROMPT_TOKENS - 1) :]]

    def encode(self, text: str) -> list[int]:
        """Text tokens of ``text``, leading spaces and all."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def text_only(self, tokens: Sequence[int]) -> list[int]:
        """``tokens`` without the special ones and the time stamps."""
        return [token for token in tokens if token < self.end]

    def split_words(self, tokens: Sequence[int], language: str) -> list[WordTokens]:
        """Cut text tokens into words; marks without a letter join the word before."""
        words: list[WordTokens] = []
        for text, n_tokens in self._characters(tokens):
            new_word = text.startswith(" ") or language in _WITHOUT_SPACES
            if words and (not new_word or not any(c.isalnum() for c in text)):
                last = words[-1]
                words[-1] = WordTokens(last.text + text, last.n_tokens + n_tokens)
            else:
                words.append(WordTokens(text, n_tokens))
        return words

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, int]]:
        """Smallest runs of tokens that decode to whole characters."""
        pieces: list[tuple[str, int]] = []
        begin = 0
        for end in range(1, len(tokens) + 1):
            text = self._piece(tuple(tokens[begin:end]))
            if _REPLACEMENT not in text or end == len(tokens):
                pieces.append((text, end - begin))
                begin = end
        return pieces

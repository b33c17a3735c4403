from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr_core.engines.base import Window
from asr_core.engines.whisper.requests import build_request
from asr_core.engines.whisper.tokenizer import WhisperTokenizer, _repaired
from asr_core.errors import ModelError


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> WhisperTokenizer:
    return WhisperTokenizer(base, multilingual=True)


@pytest.mark.parametrize(
    "text", [" And the cat sat on the mat.", " Grüße, 世界 🎤!", " 15th-century 'tis"]
)
def test_text_survives_encoding(tokenizer: WhisperTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("as_pairs", [True, False])
@pytest.mark.parametrize("as_ascii", [True, False])
def test_the_merge_that_copies_of_the_tokenizer_have_lost_is_there_once(
    base: Path, tmp_path: Path, is_whole: bool, as_pairs: bool, as_ascii: bool
) -> None:
    data = json.loads((base / "tokenizer.json").read_text())
    lost = "\u0120 t"
    merges = [lost] * is_whole + [m for m in data["model"]["merges"] if m != lost]
    data["model"]["merges"] = [m.split(" ") for m in merges] if as_pairs else merges
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(data, ensure_ascii=as_ascii))
    assert len(WhisperTokenizer(tmp_path, multilingual=True).encode(" the")) == 1
    assert (_repaired(path.read_text()) == path.read_text()) == is_whole


def test_the_merge_is_not_added_where_it_makes_no_token() -> None:
    text = '{"model": {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}'
    assert _repaired(text) == text
    assert _repaired(text.replace('"a b"', "")) == text.replace('"a b"', "")


def test_words_are_split_at_spaces_and_keep_their_marks(tokenizer: WhisperTokenizer) -> None:
    text = ' "Well," she said - no: 3.5 %!'
    words = tokenizer.split_words(tokenizer.encode(text), "en")
    assert "".join(word.text for word in words) == text
    assert [word.text for word in words][:3] == [' "Well,"', " she", " said -"]
    assert sum(word.n_tokens for word in words) == len(tokenizer.encode(text))


def test_chinese_is_split_into_characters(tokenizer: WhisperTokenizer) -> None:
    words = tokenizer.split_words(tokenizer.encode("今天天气很好。"), "zh")
    assert [word.text for word in words][-1].endswith("。")
    assert "".join(word.text for word in words) == "今天天气很好。"
    assert len(words) >= 3


def test_prompts_keep_their_end_and_fit(tokenizer: WhisperTokenizer) -> None:
    tokens = tokenizer.prompt_tokens("word " * 1000 + "last")
    assert len(tokens) == 223
    assert tokenizer.decode(tokens[-1:]) == " last"
    assert tokenizer.prompt_tokens("  ") == []
    assert len(tokenizer.prompt_tokens("word " * 1000, max_tokens=20)) == 20
    assert tokenizer.prompt_tokens("word", max_tokens=1) == []


def test_punctuation_is_told_from_words_and_parts_of_characters(
    tokenizer: WhisperTokenizer,
) -> None:
    assert all(map(tokenizer.is_punctuation, tokenizer.encode(".,?!…")))
    assert not any(map(tokenizer.is_punctuation, tokenizer.encode(" one two今鰯")))


def test_punctuation_at_the_end_of_a_prefix_is_left_open(tokenizer: WhisperTokenizer) -> None:
    known = tuple(tokenizer.encode(" One, two,"))
    window = Window(np.zeros(16_000, np.float32), prefix=known)
    request = build_request(window, tokenizer, "en", beam_size=1)
    assert tokenizer.decode(request.prefix) == " One, two"


def test_a_long_prefix_leaves_less_room_for_the_prompt(tokenizer: WhisperTokenizer) -> None:
    window = Window(np.zeros(16_000, np.float32), prompt="word " * 300, prefix=(1001,) * 300)
    request = build_request(window, tokenizer, "en", beam_size=1)
    assert len(request.prefix) == 300
    assert 0 < len(request.previous) < 223
    assert len(request.decoder_input) + request.max_new_tokens < 448


def test_multilingual_models_know_99_languages(tokenizer: WhisperTokenizer, tiny_en: Path) -> None:
    assert len(tokenizer.languages) == 99
    assert {"en", "de", "zh", "jw"} <= set(tokenizer.languages)
    assert WhisperTokenizer(tiny_en, multilingual=False).languages == ("en",)


def test_a_damaged_tokenizer_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        WhisperTokenizer(tmp_path, multilingual=True)

from __future__ import annotations

from pathlib import Path

import pytest

from asr_core.engines.tokens import Vocabulary
from asr_core.errors import ModelError


@pytest.fixture(scope="module")
def vocabulary(base: Path) -> Vocabulary:
    return Vocabulary(base, multilingual=True)


@pytest.mark.parametrize(
    "text", [" And the cat sat on the mat.", " Grüße, 世界 🎤!", " 15th-century 'tis"]
)
def test_text_survives_encoding(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_the_merge_that_copies_of_the_tokenizer_have_lost_is_there(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.encode(" the")) == 1


def test_words_are_split_at_spaces_and_keep_their_marks(vocabulary: Vocabulary) -> None:
    text = ' "Well," she said - no: 3.5 %!'
    words = vocabulary.split_words(vocabulary.encode(text), "en")
    assert "".join(word.text for word in words) == text
    assert [word.text for word in words][:3] == [' "Well,"', " she", " said -"]
    assert sum(word.n_tokens for word in words) == len(vocabulary.encode(text))


def test_chinese_is_split_into_characters(vocabulary: Vocabulary) -> None:
    words = vocabulary.split_words(vocabulary.encode("今天天气很好。"), "zh")
    assert [word.text for word in words][-1].endswith("。")
    assert "".join(word.text for word in words) == "今天天气很好。"
    assert len(words) >= 3


def test_prompts_keep_their_end_and_fit(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.previous_text("word " * 1000 + "last")
    assert len(tokens) == 223
    assert vocabulary.decode(tokens[-1:]) == " last"
    assert vocabulary.previous_text("  ") == []


def test_languages(vocabulary: Vocabulary, tiny_en: Path) -> None:
    assert len(vocabulary.languages) == 99
    assert {"en", "de", "zh", "jw"} <= set(vocabulary.languages)
    assert Vocabulary(tiny_en, multilingual=False).languages == ("en",)


def test_a_damaged_tokenizer_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Vocabulary(tmp_path, multilingual=True)

"""The engines on real weights and real speech."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from asr_core.engines import choose_engine, load_engine
from asr_core.engines.base import Engine, Window
from asr_core.engines.ctranslate2 import CTranslate2Engine
from asr_core.engines.onnx.engine import OnnxEngine
from asr_core.engines.whisper.hypotheses import DecodingResult
from asr_core.engines.whisper.requests import DecodingRequest
from asr_core.errors import Cancelled, EngineError, ModelError
from asr_core.transcript import comparison_key, join_words
from tests.support.engines import float_engines
from tests.support.texts import BECKETT, TWO_CITIES, word_error_rate

if TYPE_CHECKING:  # every process that runs tests would import torch
    from asr_core.engines.torch.engine import TransformersEngine


@pytest.fixture(scope="module", params=["tiny.en", "base"])
def pair(
    request: pytest.FixtureRequest, tiny_en: Path, base: Path
) -> tuple[CTranslate2Engine, TransformersEngine]:
    """The same weights in float32 on CTranslate2 and on torch."""
    return float_engines(tiny_en if request.param == "tiny.en" else base)


def windows(two_cities: np.ndarray, beckett: np.ndarray) -> list[Window]:
    return [
        Window(beckett, "en"),
        Window(two_cities[: 8 * 16_000], "en"),
        Window(two_cities[19 * 16_000 : 27 * 16_000], "en", prompt="It was"),
        Window(two_cities[27 * 16_000 :], "en", prompt="It was the season of light."),
        Window(two_cities[: 20 * 16_000], "en", context_s=30.0),
    ]


def test_the_engines_agree_token_by_token(
    pair: tuple[Engine, Engine], two_cities: np.ndarray, beckett: np.ndarray
) -> None:
    batch = windows(two_cities, beckett)
    for a, b in zip(*(engine.transcribe(batch) for engine in pair), strict=True):
        assert a.tokens == b.tokens
        assert [word.text for word in a.words] == [word.text for word in b.words]
        starts = np.array([[x.start, y.start] for x, y in zip(a.words, b.words, strict=True)])
        assert np.median(np.abs(starts[:, 0] - starts[:, 1])) <= 0.04
        assert a.no_speech_probability == pytest.approx(b.no_speech_probability, abs=0.02)
        assert a.avg_logprob == pytest.approx(b.avg_logprob, abs=0.05)


def test_the_engines_agree_on_the_language(base: Path, beckett: np.ndarray) -> None:
    on_cpu, on_torch = (each.detect_language([Window(beckett)]) for each in float_engines(base))
    assert on_cpu[0] == on_torch[0] == "en"
    assert on_cpu[1] == pytest.approx(on_torch[1], abs=0.02)


def test_a_language_is_detected_from_the_context_that_whisper_was_trained_on(
    base: Path, beckett: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, lengths_s = OnnxEngine(base), []
    encode = engine._encode

    def encode_noted(features: np.ndarray) -> np.ndarray:
        lengths_s.append(features.shape[-1] / 100)
        return encode(features)

    monkeypatch.setattr(engine, "_encode", encode_noted)
    short = Window(beckett[:32_000], beam_size=5)
    engine.detect_language([short])
    engine.transcribe([short])
    assert lengths_s == [30.0, 30.0]
    engine.transcribe([replace(short, language="en"), replace(short, is_partial=True)])
    assert max(lengths_s[2:]) < 30


def test_int8_makes_few_errors(
    base_engine: Engine, beckett: np.ndarray, two_cities: np.ndarray
) -> None:
    [short] = base_engine.transcribe([Window(beckett)])
    assert word_error_rate(BECKETT, short.text) < 0.1
    assert short.language == "en"
    [long] = base_engine.transcribe([Window(two_cities[: 19 * 16_000])])
    assert TWO_CITIES.split()[1:5] == long.text.split()[1:5]


def test_word_times_are_in_order_and_inside_the_audio(
    tiny_engine: Engine, two_cities: np.ndarray
) -> None:
    audio = two_cities[: 20 * 16_000]
    [hypothesis] = tiny_engine.transcribe([Window(audio)])
    assert len(hypothesis.words) > 30
    for word in hypothesis.words:
        assert 0 <= word.start <= word.end <= 20.0
        assert 0 < word.probability <= 1
    assert all(a.start <= b.start for a, b in pairwise(hypothesis.words))


def test_a_beam_finds_likelier_texts_and_writes_a_short_phrase_once(
    base_engine: Engine, tiny_engine: Engine, beckett: np.ndarray, two_cities: np.ndarray
) -> None:
    for engine in (tiny_engine, base_engine):
        speech = [two_cities[at * 16_000 : (at + 14) * 16_000] for at in (0, 14, 28)]
        beams = engine.transcribe([Window(s, "en", beam_size=5) for s in speech], background=True)
        greedy = engine.transcribe([Window(s, "en") for s in speech], background=True)
        assert sum(h.avg_logprob for h in beams) >= sum(h.avg_logprob for h in greedy) - 0.02
        [short] = engine.transcribe([Window(beckett[:32_000], "en", beam_size=5)])
        assert short.text.lower().count("ever tried") <= 1


SURNAMES = (
    "Abernathy Bergstrom Cholmondeley Dabrowski Eberhardt Featherstone Grabowski Hollingsworth "
    "Ibrahimovic Jankowski Kowalczyk Llewellyn Mascarenhas Neuschwanstein Okonkwo Prendergast"
)


@pytest.mark.parametrize("is_partial", [False, True])
def test_a_term_is_written_where_it_fits_the_sound_and_others_nowhere(
    tiny_engine: Engine, two_cities: np.ndarray, is_partial: bool
) -> None:
    speech = two_cities[: 16 * 16_000]
    plain, biased, unsaid = (
        each.text
        for each in tiny_engine.transcribe(
            [
                Window(speech, "en", beam_size=5, is_partial=is_partial, terms=terms)
                for terms in ((), ("epock", *SURNAMES.split()), tuple(SURNAMES.split()))
            ]
        )
    )
    assert "epoch" in plain
    assert comparison_key(biased) == comparison_key(plain.replace("epoch", "epock"))
    assert unsaid == plain


def test_an_engine_that_cannot_favour_terms_is_prompted_with_the_terms(
    tiny_en: Path, two_cities: np.ndarray
) -> None:
    engine = CTranslate2Engine(tiny_en)
    speech = Window(two_cities[: 8 * 16_000], "en")
    prompted, biased = (
        engine.transcribe([window])[0].text
        for window in (
            replace(speech, prompt="Epock, Nagg."),
            replace(speech, terms=("Epock", "Nagg")),
        )
    )
    assert biased == prompted


@pytest.mark.parametrize(("start_s", "phrase"), [(1.0, "best of times"), (3.5, "age of wisdom")])
def test_a_partial_pass_that_ends_with_a_phrase_writes_it_once(
    tiny_engine: Engine, two_cities: np.ndarray, start_s: float, phrase: str
) -> None:
    for end_s in np.arange(start_s + 2.4, start_s + 3.6, 0.1):
        samples = two_cities[int(start_s * 16_000) : int(end_s * 16_000)]
        [partial] = tiny_engine.transcribe([Window(samples, "en", beam_size=3, is_partial=True)])
        assert partial.text.lower().count(phrase) <= 1
        assert len(partial.word_tokens) == len(partial.words)


def test_words_that_the_beam_disputes_are_less_probable(
    tiny_engine: Engine, two_cities: np.ndarray
) -> None:
    window = Window(two_cities[25 * 16_000 : 35 * 16_000], "en", beam_size=5)
    [doubted] = tiny_engine.transcribe([window])
    inner = tiny_engine._engine  # type: ignore[attr-defined]  # private: hides alternatives
    decode = inner._decode

    def alone(rows: object, requests: list[DecodingRequest]) -> list[DecodingResult]:
        return [replace(text, alternatives=(), likelihoods=()) for text in decode(rows, requests)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inner, "_decode", alone)
        [believed] = tiny_engine.transcribe([window])
    assert doubted.text == believed.text
    pairs = list(zip(doubted.words, believed.words, strict=True))
    assert all(a.probability <= b.probability for a, b in pairs)
    assert 0 < sum(a.probability < b.probability for a, b in pairs) < len(pairs)


def test_a_hypothesis_goes_on_from_its_prefix(
    pair: tuple[CTranslate2Engine, TransformersEngine], two_cities: np.ndarray
) -> None:
    """It is neither written again nor changed, and what follows is as without it."""
    window = Window(two_cities[3 * 16_000 : 13 * 16_000], "en")
    for engine in pair:
        [whole] = engine.transcribe([window])
        for n in (3, 7, len(whole.words)):
            known = tuple(itertools.chain.from_iterable(whole.word_tokens[:n]))
            [rest] = engine.transcribe([replace(window, prefix=known)])
            assert comparison_key(rest.text) == comparison_key(join_words(whole.words[n:]))
            for ours, same in zip(rest.words, whole.words[n:], strict=True):
                assert ours.start == pytest.approx(same.start, abs=0.1)


def test_a_prefix_that_was_misheard_is_not_heard_again(
    pair: tuple[CTranslate2Engine, TransformersEngine], two_cities: np.ndarray
) -> None:
    window = Window(two_cities[3 * 16_000 : 13 * 16_000], "en")
    for engine in pair:
        known = tuple(engine.tokenizer.encode(" It was the rest of times."))
        [rest] = engine.transcribe([replace(window, prefix=known)])
        assert comparison_key(rest.text).startswith(comparison_key("it was the age of wisdom"))


def test_a_partial_pass_is_cheaper_than_a_final_one(
    tiny_engine: Engine, beckett: np.ndarray
) -> None:
    """Counted in frames that the encoder sees."""
    inside = tiny_engine._engine  # type: ignore[attr-defined]
    spoken = beckett[: 4 * 16_000]
    seen = []
    for is_partial in (True, False):
        window = Window(spoken, "en", beam_size=3, is_partial=is_partial)
        seen.append(inside._features([window]).shape[-1])
    assert seen == [1000, 1500]


def test_each_word_has_its_tokens(
    pair: tuple[CTranslate2Engine, TransformersEngine], beckett: np.ndarray
) -> None:
    for engine in pair:
        [hypothesis] = engine.transcribe([Window(beckett, "en")])
        texts = [engine.tokenizer.decode(tokens) for tokens in hypothesis.word_tokens]
        assert texts == [word.text for word in hypothesis.words]


def test_windows_of_one_batch_do_not_influence_one_another(
    tiny_engine: Engine, two_cities: np.ndarray, beckett: np.ndarray
) -> None:
    context_s = 20.0
    batch = [
        Window(beckett, context_s=context_s),
        Window(two_cities[: 10 * 16_000], context_s=context_s, prompt="Dickens"),
        Window(two_cities[: 12 * 16_000], context_s=context_s),
    ]
    together = tiny_engine.transcribe(batch)
    alone = [tiny_engine.transcribe([window])[0] for window in batch]
    assert [h.text for h in together] == [h.text for h in alone]


def test_translation_goes_into_english(base_engine: Engine, beckett: np.ndarray) -> None:
    [hypothesis] = base_engine.transcribe([Window(beckett, "en", "translate")])
    assert hypothesis.words


def test_an_empty_batch_is_not_an_error(tiny_engine: Engine) -> None:
    assert tiny_engine.transcribe([]) == []
    [hypothesis] = tiny_engine.transcribe([Window(np.zeros(0, np.float32))])
    assert hypothesis.compression_ratio >= 0


def test_wrong_windows_are_refused(tiny_engine: Engine) -> None:
    with pytest.raises(ValueError, match="30 s"):
        tiny_engine.transcribe([Window(np.zeros(31 * 16_000, np.float32))])
    with pytest.raises(ValueError, match="language"):
        tiny_engine.transcribe([Window(np.zeros(16_000, np.float32), "xx")])


def test_a_model_is_loaded_once(tiny_en: Path, tiny_engine: Engine) -> None:
    assert load_engine(tiny_en, "onnx") is tiny_engine


def test_auto_chooses_onnx_without_a_gpu() -> None:
    import torch

    on_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert choose_engine("auto") == ("transformers" if on_gpu else "onnx")


def test_a_missing_engine_gets_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake for the fault: torch is installed where the tests run."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"requirements-torch\.txt"):
        choose_engine("transformers")


def test_a_damaged_model_gets_one_sentence(tiny_en: Path, tmp_path: Path) -> None:
    from asr_core.engines.torch.engine import TransformersEngine

    for path in tiny_en.iterdir():
        if path.is_file() and path.name != "model.bin":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.bin").write_bytes((tiny_en / "model.bin").read_bytes()[:1_000_000])
    for engine in (OnnxEngine, CTranslate2Engine, TransformersEngine):
        with pytest.raises(ModelError, match="model"):
            engine(tmp_path)


def test_a_model_in_transformers_format_runs_on_all_engines(
    tiny_en: Path, tmp_path: Path, beckett: np.ndarray
) -> None:
    from asr_core.models.ctranslate2_format import convert_to_transformers

    convert_to_transformers(tiny_en).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tiny_en / "tokenizer.json").read_bytes())
    for name in ("onnx", "ctranslate2", "transformers"):
        [hypothesis] = load_engine(tmp_path, name).transcribe([Window(beckett)])
        assert word_error_rate(BECKETT, hypothesis.text) < 0.2


def test_a_background_batch_gives_the_text_of_single_calls(
    pair: tuple[Engine, Engine], two_cities: np.ndarray
) -> None:
    parts = [two_cities[at * 16_000 : (at + 8) * 16_000] for at in (3, 11, 19)]
    windows = [Window(part, "en") for part in parts]
    for engine in pair:
        alone = [engine.transcribe([window])[0].text for window in windows]
        together = engine.transcribe(windows, background=True)
        assert [hypothesis.text for hypothesis in together] == alone


def test_live_windows_are_decoded_one_by_one_and_the_model_is_loaded_once(
    tiny_en: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(tiny_en, tmp_path / "model")
    live = load_engine(copy, "onnx", live=True)
    assert live.background_batch_size == 1
    assert load_engine(copy, "onnx") is live
    assert OnnxEngine(tiny_en).background_batch_size == 2


def test_a_background_call_can_be_cancelled_between_two_steps(
    tiny_engine: Engine, two_cities: np.ndarray
) -> None:
    steps = itertools.count()

    def stop() -> None:
        if next(steps) == 2:
            raise Cancelled("enough")

    windows = [Window(two_cities[: 8 * 16_000], "en")] * 4
    with pytest.raises(Cancelled):
        tiny_engine.transcribe(windows, background=True, check_cancelled=stop)
    assert tiny_engine.transcribe(windows[:1])[0].text


PROMPTS = (
    "Kubernetes, Terraform, Acme GmbH, Jane Doe, " * 12,
    "SPEAKER_00: Good morning. SPEAKER_01: Good morning. " * 4,
    BECKETT,
)


def test_the_prompt_is_not_written_instead_of_the_speech_but_spoken_terms_are(
    tiny_en: Path, base_engine: Engine, beckett: np.ndarray
) -> None:
    on_cpu, on_torch = CTranslate2Engine(tiny_en), float_engines(tiny_en)[1]
    for engine in (base_engine, on_cpu, on_torch):
        windows = [Window(beckett, "en", prompt=prompt, beam_size=5) for prompt in PROMPTS]
        for hypothesis in engine.transcribe(windows):
            assert word_error_rate(BECKETT, hypothesis.text) <= 0.25, hypothesis.text

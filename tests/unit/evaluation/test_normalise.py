"""Numbers are normalised to digits however they are written; marks keep their meaning."""

from __future__ import annotations

import inflect
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from whisper_normalizer.english import EnglishTextNormalizer

from asr_core.evaluation.metrics import score
from asr_core.evaluation.normalise import normalise_text

_INFLECT = inflect.engine()


def words(text: str, language: str = "en") -> str:
    return normalise_text(text, language).text


def spelled(number: str | int, **options: str | int) -> str:
    return str(_INFLECT.number_to_words(number, **options))


def spellings(number: int) -> list[str]:
    """Return the usual spellings: digits, words, digit by digit, in pairs as years are read."""
    figures = str(number)
    found = [figures, f"{number:,}", " ".join(figures), ", ".join(figures)]
    found += [spelled(number), spelled(number, andword=""), spelled(number).replace("-", " ")]
    found += [spelled(figures, group=1), spelled(figures, group=1, comma="")]
    if number > 9:
        found.append(spelled(figures, group=1, zero="oh", comma=""))
    hundreds, rest = divmod(number, 100)
    if 11 <= hundreds <= 99 and hundreds % 10:
        first = spelled(hundreds)
        found += [f"{first} hundred" if rest == 0 else f"{first} hundred and {spelled(rest)}"]
        if rest:
            found.append(f"{first} {'oh ' if rest < 10 else ''}{spelled(rest)}")
    return found


numbers = st.integers(0, 9999) | st.integers(0, 10**13)
sentences = st.sampled_from(["{}", "it was {} miles", "a {} mile trip", "on 5 May {} we met"])


@given(numbers, sentences, st.data())
def test_a_number_is_its_digits_however_it_is_written(
    number: int, sentence: str, data: st.DataObject
) -> None:
    one, other = data.draw(st.tuples(*[st.sampled_from(spellings(number))] * 2))
    assert words(sentence.format(one)) == words(sentence.format(other))


@given(numbers, numbers, sentences, st.data())
def test_another_number_is_an_error_however_both_are_written(
    number: int, other: int, sentence: str, data: st.DataObject
) -> None:
    assume(number != other)
    reference = sentence.format(data.draw(st.sampled_from(spellings(number))))
    hypothesis = sentence.format(data.draw(st.sampled_from(spellings(other))))
    assert score(reference, hypothesis, "en").words.errors >= 1


@given(st.integers(0, 10**7), st.integers(0, 9), st.integers(0, 8), sentences, st.data())
def test_wrong_missing_and_additional_digits_are_errors(
    number: int, digit: int, place: int, sentence: str, data: st.DataObject
) -> None:
    figures = str(number)
    place %= len(figures)
    reference = sentence.format(data.draw(st.sampled_from(spellings(number))))
    for wrong in (
        f"{figures[:place]}{digit}{figures[place + 1 :]}",
        figures[:place] + figures[place + 1 :],
        f"{figures[:place]}{digit}{figures[place:]}",
    ):
        if wrong != figures:
            assert score(reference, sentence.format(wrong), "en").words.errors >= 1
            assert score(sentence.format(wrong), reference, "en").words.errors >= 1


@given(st.integers(1, 10**6))
def test_ordinals_are_told_from_numbers(number: int) -> None:
    ordinal = _INFLECT.ordinal(number)
    assert words(ordinal) == words(spelled(ordinal))
    assert score(ordinal, str(number), "en").words.errors == 1
    assert score(spelled(number), ordinal, "en").words.errors == 1


@given(st.decimals(0, 5000, places=2, allow_nan=False))
def test_decimals_are_read_digit_by_digit(number: object) -> None:
    assert words(str(number)) == words(spelled(str(number)))
    assert words(f"-{number}") == words(f"minus {spelled(str(number))}")
    assert words(f"{number}%") == words(f"{spelled(str(number))} per cent")


@pytest.mark.parametrize(
    "same",
    [
        ["one two three", "1, 2, 3", "123", "1 2 3", "１２３", "१२३", "١٢٣"],
        ["twenty five", "twenty-five", "25"],
        ["$5", "five dollars", "5 dollars", "$5.00", "five dollars, zero cents", "5$"],
        ["$3.50", "three dollars and fifty cents", "three dollars fifty"],
        ["$0.50", "fifty cents", "50¢"],
        ["£2.05", "two pounds and five pence"],
        ["$2 million", "two million dollars", "$2,000,000"],
        ["2.5 million", "two and a half million", "two point five million", "2,500,000"],
        ["a million and a half", "1.5 million"],
        ["half a million", "500,000"],
        ["3rd", "third"],
        ["twenty first", "21st", "twenty-first"],
        ["one hundred and first", "101st"],
        ["May fifth", "May 5", "May 5th"],
        ["nineteen oh five", "1905", "nineteen hundred and five"],
        ["two thousand and five", "2005", "twenty oh five"],
        ["1990s", "nineteen nineties", "1990's"],
        ["the '90s", "the nineties"],
        ["0.5", ".5", "zero point five", "point five"],
        ["two and a half", "2.5", "2½", "2 ½", "2 1/2", "2-1/2"],
        ["3/4", "¾", "three quarters", "three fourths"],
        ["2/3", "two thirds"],
        ["1,000", "one thousand", "a thousand"],
        ["1001 nights", "a thousand and one nights"],
        [
            "1,234,567",
            "one million, two hundred and thirty-four thousand, five hundred sixty-seven",
        ],
        ["-5", "minus five", "negative five", "−5"],
        ["double five", "five five", "double 5", "55"],
        ["double oh seven", "007"],
        ["(555) 123-4567", "five five five one two three four five six seven"],
        ["800-555-0199", "eight hundred five five five oh one nine nine"],
        ["version 2.0", "version two point oh", "version two point zero"],
        ["3:30", "three thirty"],
        ["5:00", "five o'clock", "five o’clock"],
        ["5:00 p.m.", "five p.m.", "5 PM"],
        ["11:30 a.m.", "11.30 am", "eleven thirty a.m."],
        ["20°C", "twenty degrees Celsius"],
        ["World War II", "World War Two"],
        ["5 km", "5km", "five kilometers", "five kilometres"],
        ["100 and 200", "one hundred and two hundred"],
        ["100 200", "one hundred two hundred"],
        ["1000 2000", "one thousand two thousand"],
        ["COVID-19", "covid nineteen"],
    ],
)
def test_english_numbers_in_all_their_forms(same: list[str]) -> None:
    assert len({words(f"it is {text} there") for text in same}) == 1
    assert len({words(text) for text in same}) == 1


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [
        ("one hundred five", "1005"),
        ("one hundred five", "100 5"),
        ("twenty, five", "25"),
        ("1.5", "1 0.5"),
        ("2 million", "2 billion"),
        ("$3.50", "$3.05"),
        ("3.5", "35"),
        ("3:00", "3:30"),
        ("$5", "£5"),
        ("1/2", "1/3"),
        ("twenty one", "twenty first"),
        ("fifteen", "fifty"),
        ("-5", "5"),
    ],
)
def test_different_numbers_are_an_error(reference: str, hypothesis: str) -> None:
    assert score(reference, hypothesis, "en").words.errors >= 1


def test_words_that_only_look_like_numbers_are_kept() -> None:
    assert words("O'Brien won for the second time, oh my") == "o brien won for the 2nd time oh my"
    assert words("at this point millions of hundreds") == "at this point millions of hundreds"
    assert words("a minus and a double") == "a minus and a double"


_PLAIN_WORDS = (
    "the colour don’t they're he's been gone mr. Mrs. won't let's café naïve well-known “quoted” "
    "(laughs) [noise] <unk> uh, Hmm gonna it's John's organise & — travelled! favourite cause d'you"
)


@given(st.lists(st.sampled_from(_PLAIN_WORDS.split())).map(" ".join))
def test_english_is_normalised_as_by_whisper_except_for_numbers(text: str) -> None:
    theirs = EnglishTextNormalizer()(text.replace("’", "'"))
    assert words(text) == " ".join(theirs.split())


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("I don’t", "I don't", "en"),
        ("I donʼt, Iʹd", "I don't, I'd", "en"),
        ("e-mail well‑known twenty–five", "email well known 25", "en"),
        ("l’homme", "l'homme", "fr"),
        ("мʼята", "м'ята", "uk"),
        ("a\u00a0b ﬁn Ｆｕｌｌ co\u00adop", "a b fin full coop", "de"),
        ("İSTANBUL IĞDIR", "istanbul ığdır", "tr"),
        ("ΟΔΟΣ", "οδος", "el"),
        ("कि\u200dताब क़लम", "किताब क\u093cलम", "hi"),
        ("كِتَابٌ جَدِيدٌ، مـــن", "كتاب جديد من", "ar"),
        ("שָׁלוֹם", "שלום", "he"),
        ("น้ำ", "นํ้า", "th"),
        ("好❤️（笑）１２", "好，12", "zh"),
        ("25, fünfundzwanzig 1.000, 3,5", "fünfundzwanzig, 25, tausend, drei Komma fünf", "de"),
        ("3,5 Millionen", "3.500.000", "de"),
        ("25 Millionen zweitausend", "25.002.000", "de"),
        ("eine Million am fünfundzwanzigsten Mai", "1 Million am 25. Mai", "de"),
        ("quatre-vingt-dix-neuf, 2 millions", "99, deux millions", "fr"),
        ("un, deux, trois", "1 2 3", "fr"),
        ("le vingt et unième", "le 21e", "fr"),
        ("treinta y uno, dos mil cinco", "31, 2005", "es"),
    ],
)
def test_equivalent_texts_are_normalised_alike(one: str, other: str, language: str) -> None:
    assert words(one, language) == words(other, language)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("लड़की", "लड़का", "hi"),
        ("क्या", "कया", "hi"),
        ("ใกล้", "ใกล", "th"),
        ("été", "ete", "fr"),
        ("schön", "schon", "de"),
        ("أب", "اب", "ar"),
        ("אַ", "אָ", "yi"),
        ("un chien", "une chien", "fr"),
        ("3,5", "35", "de"),
        ("fünfundzwanzig", "26", "de"),
    ],
)
def test_a_different_word_is_an_error(one: str, other: str, language: str) -> None:
    assert score(one, other, language).words.errors == 1


@given(st.text(), st.sampled_from(["en", "de", "hi", "th", "yue", "tr", "xx"]))
def test_each_word_keeps_its_place_in_the_text(text: str, language: str) -> None:
    found = normalise_text(text, language)
    assert all(word and len(word.split()) == 1 for word in found.words)
    spans = list(zip(found.starts, found.ends, strict=True))
    assert len(spans) == len(found.words)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


@pytest.mark.parametrize("text", ["", "…!?", "\ud800", "\0", "(" * 9000, "9" * 9000, "́" * 9000])
def test_any_text_can_be_normalised(text: str) -> None:
    for language in ("en", "de", "zh"):
        assert score(text, text, language).words.errors == 0

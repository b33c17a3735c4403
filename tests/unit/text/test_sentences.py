from __future__ import annotations

import re

import pytest

from asr_core.text.segmentation import split_into_segments
from asr_core.text.sentences import ends_sentence
from asr_core.transcript import Word

SENTENCES = [
    ("en", "And Mr. John Dashwood had then leisure. | It was done."),
    ("en", "He lives in the U.S. and works, e.g. in Washington. | Yes."),
    ("en", "J. R. R. Tolkien wrote it. | I read it. | Really?! | Yes."),
    ("en", "It costs 3.5 dollars. | Dr. Smith met St. John at 5 p.m. on Monday."),
    ("en", '"Who is it?" she asked. | "You." | "Come in!"'),
    ("en", "The case Roe vs. Wade was long. | Prof. X, i.e. he, left. | So am I. | We go."),
    ("en", "No. 5 is alive. | See Fig. 3 here. | Next is 3. | Then 4."),
    ("de", "Am 5. Mai kam Dr. Müller, z. B. mit dem Zug. | Er ging. | Usw. usf."),
    ("de", "Das ist u. a. der 3. Versuch. | Nr. 7 lebt. | Im 21. Jahrhundert, d. h. jetzt."),
    ("es", "Trabaja, p. ej. en Madrid. | El Sr. López llegó. | ¿Qué tal? | ¡Bien!"),
    ("es", "La Dña. Ana y D. Juan viven en EE. UU. desde ayer. | Sí."),
    ("fr", "M. Dupont est là. | Mme. Durand aussi, c.-à-d. hier. | Oui !"),
    ("it", "Il sig. Rossi e la dott. Bianchi. | Ciao."),
    ("pt", "O Sr. Silva mora na Av. Paulista. | Sim."),
    ("nl", "Dhr. Jansen is er. | Mevr. Smit bijv. niet. | Ja."),
    ("pl", "To jest np. dobre. | Prof. Kowalski i ul. Długa. | Tak."),
    ("ru", "Это т. е. так. | А. С. Пушкин писал. | Он жил на ул. Ленина. | Да."),
    ("en", "Give it to me. | Peter came in May. | He is ill. | Alice is not."),
    ("de", "Auf diese Art. | Peter kam bzw. Paul. | Die Stadt inkl. Umland. | Ja."),
    ("es", "Dije que no. | Pedro vino con el prof. García. | Está bien. | Sí."),
    ("it", "Lo so. | Marco ha detto di no. | Anna lo fa. | Ecco l'avv. Verdi."),
    ("sv", "Jag såg det. | Sedan kom hon. | Anna kan. | Dr. Berg kom kl. 5."),
    ("nl", "Dat is het best. | Piet zei het not. | Prof. Bakker niet."),
    ("cs", "Byl tam prof. Novák. | Viděl jsem to. | Petr přišel k nám. | Ano."),
    ("da", "Den 5. maj kom hr. Hansen. | Ja."),
    ("tr", "Dr. Ahmet geldi. | Av. Ayşe de geldi. | Evet."),
    ("hi", "यह अच्छा है। | डॉ. शर्मा आए। | क्या? | हाँ।"),
    ("ar", "هل أنت بخير؟ | نعم. | د. أحمد هنا."),
    ("ur", "یہ اچھا ہے۔ | وہ گیا۔"),
    ("el", "Τι κάνεις; | Καλά. | Ναι."),
    ("hy", "Բարեւ։ | Լավ եմ։"),
    ("am", "ሰላም። | ደህና።"),
    ("my", "ကောင်းတယ်။ | သွားမယ်။"),
    ("km", "សួស្តី។ | ល្អ។"),
    ("ko", "안녕하세요. | 반갑습니다! | 네."),
    ("zh", "你好。|今天天气很好！|我们走吧？|好。"),
    ("ja", "こんにちは。|「元気ですか？」と聞いた。|「はい！」「では。」"),
    ("th", "สวัสดีครับ วันนี้อากาศดี ไปกันเถอะ"),
    ("haw", "Aloha. | Mahalo."),
    (None, "Mr. Smith came. | He left."),
]


def words(text: str, language: str | None) -> list[Word]:
    """Return words as the model writes them: with the marks after them, or after a space."""
    pattern = r"「?\w[。？！」]*" if language in {"zh", "ja"} else r"\s*\S+"
    pieces = re.findall(pattern, text)
    return [Word(piece, i * 0.2, i * 0.2 + 0.2, 0.9) for i, piece in enumerate(pieces)]


@pytest.mark.parametrize(("language", "text"), SENTENCES)
def test_a_line_is_a_sentence_in_the_languages_own_way(language: str | None, text: str) -> None:
    sentences = [sentence.strip() for sentence in text.split("|")]
    spoken = words(text.replace(" |", "").replace("|", ""), language)
    if language == "ja":
        sentences[-1:] = ["「はい！」", "「では。」"]
    assert [line.text for line in split_into_segments(spoken, language)] == sentences


@pytest.mark.parametrize("text", ["Mr.", "He met Dr.", "e.g.", "in the U.S.", "J.", "Hello", ""])
def test_a_mark_that_may_not_end_a_sentence_waits_for_the_next_word(text: str) -> None:
    assert not ends_sentence(words(text, "en"), language="en")


@pytest.mark.parametrize(
    "text", ["It is.", "Is it?", 'She said "no!"', "(Well done.)", "They left…."]
)
def test_a_sentence_is_over_before_the_next_word_is_known(text: str) -> None:
    assert ends_sentence(words(text, "en"), language="en")


def test_a_separate_punctuation_mark_stays_with_its_sentence() -> None:
    spoken = [Word(text, i, i + 0.5, 1) for i, text in enumerate(["「はい", "。", "」", "では"])]
    assert [line.text for line in split_into_segments(spoken, "ja")] == ["「はい。」では"]
    spoken = [Word(text, i, i + 0.5, 1) for i, text in enumerate([" Yes", ".", " -", " No."])]
    assert [line.text for line in split_into_segments(spoken, "en")] == ["Yes.", "- No."]

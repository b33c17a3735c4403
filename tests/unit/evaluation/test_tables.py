"""Tables as they are usually written, and damaged ones."""

from __future__ import annotations

import csv
import io
import random
import string

import pytest

from asr_core.errors import ManifestError
from asr_core.evaluation.manifests import EntryError, ManifestEntry, read_entries

HEADER = "file_name,transcription,accent\n"


def _rows(name: str, content: str | bytes) -> list[tuple[str, str] | str]:
    """Return the file and the text of each row, or its line and what is wrong with it."""
    data = content.encode() if isinstance(content, str) else content
    return [
        (entry.path, entry.reference)
        if isinstance(entry, ManifestEntry)
        else f"{entry.where}: {entry.reason}"
        for entry in read_entries(name, data)
    ]


def test_an_unclosed_quote_swallows_no_row_of_a_tsv() -> None:
    """Common Voice writes them without any quoting."""
    table = 'path\tsentence\tup\na.mp3\t"Drop it.\t2\nb.mp3\tA "thin" one.\t2\nc.mp3\tIt is 5"\t2\n'
    assert _rows("validated.tsv", table) == [
        ("a.mp3", '"Drop it.'), ("b.mp3", 'A "thin" one.'), ("c.mp3", 'It is 5"'),
    ]  # fmt: skip


def test_quotes_are_read_in_a_quoted_tsv() -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t")
    rows = [("a.mp3", 'Say "no".'), ("b.mp3", "Two\nlines\tand a tab"), ("c.mp3", "plain")]
    writer.writerows([("path", "sentence"), *rows])
    assert _rows("test.tsv", out.getvalue()) == rows


def test_a_short_row_does_not_change_how_the_others_are_quoted() -> None:
    table = 'path\tsentence\tup\na.mp3\t"Two\nlines"\t2\nshort.mp3\tx\n'
    assert _rows("t.tsv", table) == [
        ("a.mp3", "Two\nlines"), "line 4: it has too few fields: 2, but the header has 3",
    ]  # fmt: skip


def test_a_text_that_may_continue_on_the_next_line_is_not_cut() -> None:
    table = 'path\tsentence\na.mp3\t"Two\nlines"\nb.mp3\t"yes" or no\nc.mp3\t5" of rain\n'
    assert _rows("t.tsv", table) == [
        'line 2: a quote (") in it is not closed, and the next line is no row',
        "line 3: it has too few fields: 1, but the header has 2",
        ("b.mp3", '"yes" or no'),
        ("c.mp3", '5" of rain'),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.wav,We need a snake, and a frog.,Scots", "it has too many fields: 4, but the header has 3"),
        ("a.wav,We need a snake", "it has too few fields: 2, but the header has 3"),
        ('a.wav,"We need a snake,Scots', 'a quote (") in it is not closed, or closed within a field'),
        ('a.wav,"We need" a, snake,Scots', 'a quote (") in it is not closed, or closed within a field'),
    ],
)  # fmt: skip
def test_a_csv_row_that_does_not_fit_the_header_is_an_error(row: str, problem: str) -> None:
    table = f'{HEADER}a.wav,"Two\nlines",x\n{row}\n\nb.wav,"Yes, ""you"".",Scots\n'
    assert _rows("m.csv", table) == [
        ("a.wav", "Two\nlines"), f"line 4: {problem}", ("b.wav", 'Yes, "you".'),
    ]  # fmt: skip


def test_two_stray_quotes_do_not_make_one_row_of_many() -> None:
    table = 'file_name,text\na.wav,"Drop it.\nb.wav,High up.\nc.wav,It is 5"\n'
    assert _rows("m.csv", table) == [
        'line 2: a quote (") in it is not closed, or closed within a field',
        ("b.wav", "High up."), ("c.wav", 'It is 5"'),
    ]  # fmt: skip


def test_a_text_of_many_lines_may_look_like_rows() -> None:
    table = 'file_name,text\na.wav,"I came\nI saw, I won"\nb.wav,"x\nb, c"\n'
    assert _rows("m.csv", table) == [("a.wav", "I came\nI saw, I won"), ("b.wav", "x\nb, c")]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("m.csv", "file_name,text,,\na.wav,Hello,,\n,,,\n\n  \nb.wav,you,,\n"),
        ("m.csv", "file_name,text\r\na.wav,Hello\r\n\r\nb.wav,you"),
        ("m.csv", "file_name,text\ra.wav,Hello\rb.wav,you\r"),
        ("m.csv", "File Name;Text\na.wav;Hello\nb.wav;you\n"),
        ("m.csv", 'sep=;\n"file-name";"text"\n"a.wav";"Hello"\nb.wav;you\n'),
        ("m.csv", 'file_name, text\na.wav, "Hello"\nb.wav, you\n'),
        ("m.txt", "file_name|text\na.wav|Hello\nb.wav|you\n"),
        ("m.csv", "\ufefffile_name\ttext\na.wav\tHello\nb.wav\tyou\n"),
        ("m.tsv", "file_name,text\na.wav,Hello\nb.wav,you\n"),
        ("m.csv", "wav_filename,wav_filesize,transcript\na.wav,1,Hello\nb.wav,2,you\n"),
        ("m.json", '[{"audio": {"path": "a.wav", "bytes": null}, "text": "Hello"},\n'
                   ' {"audio_filepath": "b.wav", "text": "you"}]\n'),
        ("m.json", '{"path": "a.wav", "text": "Hello"}\r\n{"path": "b.wav", "text": "you"}\r\n\r\n'),
        ("m.jsonl", '{"path": "a.wav", "text": "Hello"}\r{"path": "b.wav", "text": "you"}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_usual_spelling_of_a_table_is_read(name: str, table: str, encoding: str) -> None:
    content = table.removeprefix("\ufeff").encode(encoding)
    assert _rows(name, content) == [("a.wav", "Hello"), ("b.wav", "you")]


def test_characters_that_end_no_line_stay_in_the_text() -> None:
    text = "one\u2028two\x85three\vfour\ffive"
    assert _rows("m.jsonl", f'{{"path": "a", "text": "{text[:10]}"}}\n') == [("a", text[:10])]
    escaped = text.replace("\v", "\\u000b").replace("\f", "\\f")
    assert _rows("m.jsonl", f'{{"path": "a", "text": "{escaped}"}}\n') == [("a", text)]
    assert _rows("m.tsv", f"path\ttext\na\t{text}\n") == [("a", text)]
    assert _rows("m.csv", f"path,text\na,{text}\n") == [("a", text)]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("m.csv", b"path,text\na,caf\xe9\n", r"not UTF-8 text \(line 2\)"),
        ("m.csv", "path,text\na,x\n".encode("utf-16-le"), "full of NUL"),
        ("m.csv", b"path,text,text\na,x,y\n", "two columns called text"),
        ("m.csv", b"path,File Name,Text,text\na,x,y,z\n", "two columns called text"),
        ("m.csv", b"a,b\n1,2\n", "names of its columns"),
        ("m.csv", b"", "names of its columns"),
        ("m.json", b'[{"path": "a", "text": "x"},\n{"path": "b", "text": "y"\n', r"not a JSON list \(line 2\)"),
        ("m.json", b'[{"path": "a", "text": "x"}\n{"path": "b", "text": "y"}]', r"not a JSON list \(line 2\)"),
        ("m.json", b'[{"path": "a", "text": "x"}]\n{"path": "b"}', "goes on after its list"),
        ("m.jsonl", b'{"path": "a", "text": "x", "text": "y"}', "Line 1 of m.jsonl: it has text twice"),
        ("m.jsonl", b'{"path": "a", "text": null}', "has no transcript"),
        ("m.jsonl", b'{"path": "a", "text": 123}', "the words must be a text"),
        ("m.jsonl", b'{"path": "a", "text": "x", "Text": "y"}', "text twice"),
    ],
)  # fmt: skip
def test_an_ambiguous_table_is_not_guessed(name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        read_entries(name, content)


def test_errors_in_a_list_name_the_line() -> None:
    table = '[\n {"path": "a", "text": "x"},\n\n {"path": "b"}, 7,\n {"path": "c", "text": "z"}\n]'
    where = [getattr(entry, "where", "") for entry in read_entries("m.json", table.encode())]
    assert where == ["line 2", "line 4", "line 4", "line 5"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_written_by_the_csv_module_is_read_back(delimiter: str) -> None:
    rng = random.Random(7)
    signs = string.ascii_letters + ' "\n,;\t|\u2028'
    rows = [
        (f"{i}.wav", "".join(rng.choice(signs) for _ in range(rng.randrange(40))).strip())
        for i in range(300)
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("path", "text"), *rows])
    assert _rows("m.tsv" if delimiter == "\t" else "m.csv", out.getvalue()) == rows


def test_no_row_takes_the_words_of_another_however_quotes_are_damaged() -> None:
    rng = random.Random(3)
    for _ in range(300):
        words = [f"w{i}" for i in range(8)]
        texts = ["".join(rng.choice(('"', "", " ")) for _ in range(3)).join((w, w)) for w in words]
        texts = [rng.choice(('"', "", "")) + text + rng.choice(('"', "", "")) for text in texts]
        for name, sign in (("m.tsv", "\t"), ("m.csv", ",")):
            lines = [f"{w}.wav{sign}{text}" for w, text in zip(words, texts, strict=True)]
            found = read_entries(name, "\n".join([f"path{sign}text", *lines]).encode())
            assert len(found) == len(words)
            for word, entry in zip(words, found, strict=True):
                if isinstance(entry, EntryError):
                    assert name == "m.csv"
                else:
                    assert entry.path == f"{word}.wav"
                    assert set(entry.reference) <= set(f'{word}" ')

"""Tables as their makers write them: CSV, TSV and JSON lines → rows with their lines.

Quotes are read as RFC 4180 has them where they are written so. In tables with tabs or bars a
single quote that is not closed says that nothing in them is quoted (Common Voice); in the
others it is an error of its line, and never swallows those below.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from asr_core.errors import ManifestError
from asr_core.plain_text import shortened

__all__ = ["Row", "Unread", "column_name", "numbered_lines", "rows_of", "text_of"]

# More columns than any table of recordings has; a header of millions of them would
# make every short line below as long as itself.
_MAX_COLUMNS = 200
_MAX_LINE = 1_000_000  # characters of a JSON line, before it is parsed into many times that

_DELIMITERS = "\t,;|"
_EXCELS = re.compile(r'"?sep=([\t,;|])"?\s*')  # a line before the header
_UNQUOTED = "\t|"  # texts hold none of them, so that makers see no need of quotes

# UTF-32 first: its mark begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

# Not splitlines(): texts may hold U+2028, U+0085 and others that it splits at.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")

_SPACE = re.compile(r"[ \t\r\n]*")  # of JSON

csv.field_size_limit(2**31 - 1)  # what is too long is said for its line, by the store


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: the one in which it begins, from 1.
        fields: by the column's name as written.
    """

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Unread:
    """A line that is no row.

    Attributes:
        problem: as it goes on after "line 7: ".
    """

    line: int
    problem: str


def text_of(called: str, content: bytes) -> str:
    """Return the text of a file, without the mark of its encoding.

    Raises:
        ManifestError: it is in another encoding than UTF-8, or UTF-16 with its mark.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{called} is no text in {encoding.upper()} (line {line}); save it as UTF-8."
        ) from None
    if text.count("\0") > len(text) // 4:
        raise ManifestError(f"{called} is no text in UTF-8 (it is full of NUL); save it as such.")
    return text.removeprefix("\ufeff")


def column_name(name: str) -> str:
    """Return a column's name as it is compared: ``file_name`` of ``File Name``."""
    return re.sub(r"[\s-]+", "_", name.strip("\ufeff \t").strip().lower())


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that hold something, without their ends, with their numbers."""
    for number, line in enumerate(_LINE.finditer(text), 1):
        if line[0].strip():
            yield number, line[0].rstrip("\r\n")


def rows_of(
    name: str, text: str, needed: tuple[Container[str], Container[str]]
) -> Iterator[Row | Unread] | None:
    """Yield the rows of the table called ``name``; None if it has no header.

    Args:
        needed: names of columns; of each group a header has one.

    Raises:
        ManifestError: it is no table of its kind at all.
    """
    called = shortened(name)
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _json_lines(text)
    if name.lower().endswith(".json"):
        is_list = text.lstrip().startswith("[")
        return _json_list(called, text) if is_list else _json_lines(text)
    lines = _Lines(text)
    delimiter = _delimiter(lines, needed)
    return None if delimiter is None else _separated(called, lines, delimiter, needed)


# --- JSON --------------------------------------------------------------------------


def _json_lines(text: str) -> Iterator[Row | Unread]:
    for number, line in numbered_lines(text):
        if len(line) > _MAX_LINE:
            yield Unread(number, f"it is longer than {_MAX_LINE} characters")
            continue
        try:
            yield _json_row(number, json.loads(line, object_pairs_hook=_Object))
        except (ValueError, RecursionError, MemoryError):  # also numbers of 5,000 digits
            yield Unread(number, "it is no JSON object")


def _json_list(called: str, text: str) -> Iterator[Row | Unread]:
    """Yield the objects of a list, each parsed by itself: the whole would take its size many times."""
    decoder = json.JSONDecoder(object_pairs_hook=_Object)
    sign, expected, line, at = "", "[", 1, 0
    while True:
        line, at = _after_space(text, line, at)
        sign = text[at : at + 1]
        if not sign or sign not in expected:
            raise ManifestError(f"{called} is no list in JSON (line {line}).")
        line, at = _after_space(text, line, at + 1)
        if sign == "[" and text[at : at + 1] == "]":
            sign, at = "]", at + 1
        if sign == "]":
            break
        value, length = _first_value(decoder, text, at)
        if not length:
            raise ManifestError(f"{called} is no list in JSON (line {line}).")
        yield _json_row(line, value)
        line, at = line + text.count("\n", at, at + length), at + length
        expected = ",]"
    if text[at:].strip():
        raise ManifestError(f"{called} goes on after its list (line {line}).")


def _after_space(text: str, line: int, at: int) -> tuple[int, int]:
    """Return the line and the place of what is next."""
    found = _SPACE.match(text, at)
    assert found is not None
    return line + found[0].count("\n"), found.end()


def _first_value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins at ``at`` and its length, 0 if there is none that is short enough."""
    for most in (10_000, _MAX_LINE):
        try:
            return decoder.raw_decode(text[at : at + most])
        except (ValueError, RecursionError, MemoryError):
            continue
    return None, 0


class _Object(dict[str, Any]):
    """A JSON object that knows which of its keys came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(key for key, _ in pairs)
        self.doubled = next((key for key, n in times.items() if n > 1), None)


def _json_row(number: int, value: Any) -> Row | Unread:
    if not isinstance(value, _Object):
        return Unread(number, "it is no JSON object")
    if value.doubled is not None:
        return Unread(number, f"it has {shortened(value.doubled)} twice")
    return Row(number, value)


# --- CSV, TSV ----------------------------------------------------------------------


class _Lines:
    """The physical lines of a text, with their ends; what is next can be set back.

    Attributes:
        at: where the next line begins.
        number: of the last one, from 1.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.at >= len(self.text):
            raise StopIteration
        found = _LINE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        self.number += 1
        return found[0]


def _delimiter(lines: _Lines, needed: tuple[Container[str], Container[str]]) -> str | None:
    """Return the delimiter by which the header, which comes next then, names what is needed."""
    delimiters = _DELIMITERS
    while lines.at < len(lines.text):
        at, number = lines.at, lines.number
        first = next(lines)
        if named := _EXCELS.fullmatch(first):
            delimiters = named[1]
        elif first.strip():
            lines.at, lines.number = at, number
            for delimiter in delimiters:
                cells = _split(first, delimiter)[:_MAX_COLUMNS]
                names = [column_name(cell) for cell in cells]
                if all(any(name in group for name in names) for group in needed):
                    return delimiter
            break
    return None


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, quoted or not."""
    return _quoted(_Lines(line), delimiter) or line.rstrip("\r\n").split(delimiter)


def _quoted(lines: _Lines, delimiter: str) -> list[str] | None:
    """Return the cells of the next record, of one or more lines; None if its quotes are not
    closed as RFC 4180 has it."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None


def _separated(
    called: str, lines: _Lines, delimiter: str, needed: tuple[Container[str], Container[str]]
) -> Iterator[Row | Unread]:
    header = _header(lines, delimiter)
    if len(header) > _MAX_COLUMNS:
        raise ManifestError(f"{called} has {len(header)} columns; at most {_MAX_COLUMNS} are read.")
    names = [column_name(name) for name in header]
    for name in names:
        if names.count(name) > 1 and any(name in group for group in needed):
            raise ManifestError(f"{called} has two columns called {shortened(name)}; leave one.")
    places = [i for i, name in enumerate(names) if name in needed[0]]
    records = _records(lines, delimiter, len(header), places[0] if places else 0)
    for number, cells in records:
        if isinstance(cells, str):
            yield Unread(number, cells)
        elif len(cells) != len(header):
            few = "few" if len(cells) < len(header) else "many"
            yield Unread(
                number, f"it has too {few} fields: {len(cells)}, but the header has {len(header)}"
            )
        else:
            yield Row(number, dict(zip(header, cells, strict=True)))


def _header(lines: _Lines, delimiter: str) -> list[str]:
    at, number = lines.at, lines.number
    cells = _quoted(lines, delimiter)
    if cells is None:
        lines.at, lines.number = at, number
        cells = next(lines).rstrip("\r\n").split(delimiter)
    while cells and not cells[-1].strip():
        cells.pop()  # commas at the end of every line
    return cells


def _records(
    lines: _Lines, delimiter: str, n_columns: int, file_column: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line and the cells of each record, or what is wrong with it."""
    is_quoted = delimiter not in _UNQUOTED or _is_quoted(lines, delimiter, n_columns, file_column)
    while lines.at < len(lines.text):
        at, number = lines.at, lines.number
        cells = _quoted(lines, delimiter) if is_quoted else None
        spans = lines.number > number + 1
        if cells is None or (spans and _swallows(lines, at, delimiter, n_columns, file_column)):
            lines.at, lines.number = at, number
            line = next(lines)
            cells = line.rstrip("\r\n").split(delimiter)
            is_odd = line.count('"') % 2 == 1
            if is_quoted and (is_odd or len(cells) != n_columns):
                yield number + 1, 'a quote (") in it is not closed, or closed within a field'
                continue
            if is_odd and len(cells) == n_columns and not _begins_row(lines, delimiter, n_columns):
                yield number + 1, 'a quote (") in it is not closed, and the next line is no row'
                continue
        while len(cells) > n_columns and not cells[-1].strip():
            cells.pop()
        if any(cell.strip() for cell in cells):
            yield number + 1, cells


def _begins_row(lines: _Lines, delimiter: str, n_columns: int) -> bool:
    """Return whether what is next has as many fields as the header; also at the end."""
    ahead = _Lines(lines.text)
    ahead.at = lines.at
    line = next((line for line in ahead if line.strip()), None)
    return line is None or line.count(delimiter) >= n_columns - 1


def _is_quoted(lines: _Lines, delimiter: str, n_columns: int, file_column: int) -> bool:
    """Return whether all quotes of the lines that follow are closed as RFC 4180 has it, and no
    record is made of lines that are rows by themselves."""
    ahead = _Lines(lines.text)
    ahead.at = lines.at
    while ahead.at < len(ahead.text):
        at, number = ahead.at, ahead.number
        if _quoted(ahead, delimiter) is None:
            return False
        if ahead.number > number + 1 and _swallows(ahead, at, delimiter, n_columns, file_column):
            return False
    return True


def _swallows(lines: _Lines, at: int, delimiter: str, n_columns: int, file_column: int) -> bool:
    """Return whether the lines from ``at`` to where ``lines`` is are rows of their own.

    A stray quote in one row and another in a later one enclose what is between. Such lines
    have as many fields as the header, and name files of one kind.
    """
    each = [line.rstrip("\r\n").split(delimiter) for line in _Lines(lines.text[at : lines.at])]
    if any(len(cells) != n_columns for cells in each):
        return False
    kinds = {PurePosixPath(cells[file_column].strip('" ')).suffix.lower() for cells in each}
    return len(kinds) == 1 and (kinds != {""} or delimiter in _UNQUOTED)

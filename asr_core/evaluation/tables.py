"""CSV, TSV and JSON tables, read as rows with their line numbers.

Quotes follow RFC 4180. In tables delimited by tabs or bars, a single unclosed quote means that
nothing is quoted (Common Voice); in others it is an error of its line and never swallows the
lines below.
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
from asr_core.text.plain_text import shorten

__all__ = [
    "InvalidRow",
    "TableRow",
    "decode_text",
    "normalise_column",
    "numbered_lines",
    "read_rows",
]

# A header of millions of columns would make every short line as long as itself.
_MAX_COLUMNS = 200
_MAX_LINE = 1_000_000  # characters of a JSON line; parsed, it takes a multiple of that

_DELIMITERS = "\t,;|"
_EXCEL_SEPARATOR = re.compile(r'"?sep=([\t,;|])"?\s*')  # Excel's line before the header
_UNQUOTED = "\t|"  # delimiters that texts do not contain, so that writers do not quote

# UTF-32 first: its mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip

# splitlines() would also split at U+2028, U+0085 and others, which texts may hold.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")

_SPACE = re.compile(r"[ \t\r\n]*")  # of JSON

csv.field_size_limit(2**31 - 1)  # the store reports fields that are too long


@dataclass(frozen=True)
class TableRow:
    """Row of a table.

    Attributes:
        line: the one in which it begins, from 1.
        fields: by the column's name as written.
    """

    line: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class InvalidRow:
    """Line that is not a row.

    Attributes:
        problem: the end of a sentence that begins "line 7: ".
    """

    line: int
    problem: str


def decode_text(called: str, content: bytes) -> str:
    """Return the text of a file, without byte order mark.

    Raises:
        ManifestError: the encoding is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{called} is not {encoding.upper()} text (line {line}); save it as UTF-8."
        ) from None
    if text.count("\0") > len(text) // 4:
        raise ManifestError(
            f"{called} is not UTF-8 text (it is full of NUL characters); save it as UTF-8."
        )
    return text.removeprefix("\ufeff")


def normalise_column(name: str) -> str:
    """Return a column name in the form it is compared in: ``file_name`` for ``File Name``."""
    return re.sub(r"[\s-]+", "_", name.strip("\ufeff \t").strip().lower())


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the non-blank lines without line ends, with their numbers from 1."""
    for number, line in enumerate(_LINE.finditer(text), 1):
        if line[0].strip():
            yield number, line[0].rstrip("\r\n")


def read_rows(
    name: str, text: str, needed: tuple[Container[str], Container[str]]
) -> Iterator[TableRow | InvalidRow] | None:
    """Yield the rows of a table; None if it has no header.

    Args:
        name: of the file; its extension tells the format.
        text: of the file.
        needed: two groups of column names; a header has one of each.

    Raises:
        ManifestError: it is not a table of its format.
    """
    called = shorten(name)
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _json_lines(text)
    if name.lower().endswith(".json"):
        is_list = text.lstrip().startswith("[")
        return _json_list(called, text) if is_list else _json_lines(text)
    lines = _Lines(text)
    delimiter = _delimiter(lines, needed)
    return None if delimiter is None else _separated(called, lines, delimiter, needed)


# --- JSON --------------------------------------------------------------------------


def _json_lines(text: str) -> Iterator[TableRow | InvalidRow]:
    for number, line in numbered_lines(text):
        if len(line) > _MAX_LINE:
            yield InvalidRow(number, f"it is longer than {_MAX_LINE} characters")
            continue
        try:
            yield _json_row(number, json.loads(line, object_pairs_hook=_Object))
        except (
            ValueError,
            RecursionError,
            MemoryError,
        ):  # ValueError also for integers of 5,000 digits
            yield InvalidRow(number, "it is not a JSON object")


def _json_list(called: str, text: str) -> Iterator[TableRow | InvalidRow]:
    """Yield the objects of a JSON list.

    Each is parsed by itself: parsed at once, the list would take a multiple of its size.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_Object)
    sign, expected, line, at = "", "[", 1, 0
    while True:
        line, at = _after_space(text, line, at)
        sign = text[at : at + 1]
        if not sign or sign not in expected:
            raise ManifestError(f"{called} is not a JSON list (line {line}).")
        line, at = _after_space(text, line, at + 1)
        if sign == "[" and text[at : at + 1] == "]":
            sign, at = "]", at + 1
        if sign == "]":
            break
        value, length = _first_value(decoder, text, at)
        if not length:
            raise ManifestError(f"{called} is not a JSON list (line {line}).")
        yield _json_row(line, value)
        line, at = line + text.count("\n", at, at + length), at + length
        expected = ",]"
    if text[at:].strip():
        raise ManifestError(f"{called} goes on after its list (line {line}).")


def _after_space(text: str, line: int, at: int) -> tuple[int, int]:
    """Return the line and position of the next character that is not white space."""
    found = _SPACE.match(text, at)
    assert found is not None
    return line + found[0].count("\n"), found.end()


def _first_value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    """Return the value at ``at`` and its length; length 0 if it is invalid or too long."""
    for most in (10_000, _MAX_LINE):
        try:
            return decoder.raw_decode(text[at : at + most])
        except (ValueError, RecursionError, MemoryError):
            continue
    return None, 0


class _Object(dict[str, Any]):
    """JSON object that remembers a duplicate key."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(key for key, _ in pairs)
        self.doubled = next((key for key, n in times.items() if n > 1), None)


def _json_row(number: int, value: Any) -> TableRow | InvalidRow:
    if not isinstance(value, _Object):
        return InvalidRow(number, "it is not a JSON object")
    if value.doubled is not None:
        return InvalidRow(number, f"it has {shorten(value.doubled)} twice")
    return TableRow(number, value)


# --- CSV, TSV ----------------------------------------------------------------------


class _Lines:
    """Iterator over physical lines, with their ends, that can be set back.

    Attributes:
        at: position of the next line.
        number: of the last line returned, from 1.
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
    """Return the delimiter with which the header has the columns needed, and stop before it."""
    delimiters = _DELIMITERS
    while lines.at < len(lines.text):
        at, number = lines.at, lines.number
        first = next(lines)
        if named := _EXCEL_SEPARATOR.fullmatch(first):
            delimiters = named[1]
        elif first.strip():
            lines.at, lines.number = at, number
            for delimiter in delimiters:
                cells = _split(first, delimiter)[:_MAX_COLUMNS]
                names = [normalise_column(cell) for cell in cells]
                if all(any(name in group for name in names) for group in needed):
                    return delimiter
            break
    return None


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, quoted or not."""
    return _quoted(_Lines(line), delimiter) or line.rstrip("\r\n").split(delimiter)


def _quoted(lines: _Lines, delimiter: str) -> list[str] | None:
    """Return the cells of the next record, which may span lines.

    None if its quotes are not closed as in RFC 4180.
    """
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None


def _separated(
    called: str, lines: _Lines, delimiter: str, needed: tuple[Container[str], Container[str]]
) -> Iterator[TableRow | InvalidRow]:
    header = _header(lines, delimiter)
    if len(header) > _MAX_COLUMNS:
        raise ManifestError(f"{called} has {len(header)} columns; at most {_MAX_COLUMNS} are read.")
    names = [normalise_column(name) for name in header]
    for name in names:
        if names.count(name) > 1 and any(name in group for group in needed):
            raise ManifestError(f"{called} has two columns called {shorten(name)}; leave one.")
    places = [i for i, name in enumerate(names) if name in needed[0]]
    records = _records(lines, delimiter, len(header), places[0] if places else 0)
    for number, cells in records:
        if isinstance(cells, str):
            yield InvalidRow(number, cells)
        elif len(cells) != len(header):
            few = "few" if len(cells) < len(header) else "many"
            yield InvalidRow(
                number, f"it has too {few} fields: {len(cells)}, but the header has {len(header)}"
            )
        else:
            yield TableRow(number, dict(zip(header, cells, strict=True)))


def _header(lines: _Lines, delimiter: str) -> list[str]:
    at, number = lines.at, lines.number
    cells = _quoted(lines, delimiter)
    if cells is None:
        lines.at, lines.number = at, number
        cells = next(lines).rstrip("\r\n").split(delimiter)
    while cells and not cells[-1].strip():
        cells.pop()  # trailing delimiters on every line
    return cells


def _records(
    lines: _Lines, delimiter: str, n_columns: int, file_column: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line number and the cells of each record, or what is wrong with it."""
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
    """Return whether the next line has as many fields as the header, or there is none."""
    ahead = _Lines(lines.text)
    ahead.at = lines.at
    line = next((line for line in ahead if line.strip()), None)
    return line is None or line.count(delimiter) >= n_columns - 1


def _is_quoted(lines: _Lines, delimiter: str, n_columns: int, file_column: int) -> bool:
    """Return whether the remaining lines use quotes as in RFC 4180.

    That is, all are closed and no record is made of lines that are rows by themselves.
    """
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
    """Return whether the lines of one record are rows by themselves.

    A stray quote in one row and another in a later row enclose what lies between. Such lines have
    as many fields as the header and name files of one type.
    """
    each = [line.rstrip("\r\n").split(delimiter) for line in _Lines(lines.text[at : lines.at])]
    if any(len(cells) != n_columns for cells in each):
        return False
    kinds = {PurePosixPath(cells[file_column].strip('" ')).suffix.lower() for cells in each}
    return len(kinds) == 1 and (kinds != {""} or delimiter in _UNQUOTED)

"""Import of test sets into the store, row by row: one bad row does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asr_core.errors import AsrError
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.layouts import TableLimits, find_listing, read_listing
from asr_core.evaluation.manifests import EntryError, ManifestEntry, read_cases
from asr_core.evaluation.set_files import Files, file_opener

__all__ = ["ImportReport", "import_set"]

_TABLE_LIMITS = TableLimits(rows=20_000, table_bytes=20_000_000)


@dataclass(frozen=True)
class ImportReport:
    """Outcome of an import.

    Attributes:
        n_stored: rows whose recording is in the test set now, of ``n_lines``.
        problems: a sentence for each of the first rows that could not be used.
        notes: sentences about what was read, such as which of several tables.
    """

    n_stored: int
    n_lines: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_problems(self) -> int:
        """Rows that could not be used."""
        return self.n_lines - self.n_stored


_N_SENTENCES = 10


def import_set(
    add_case: Callable[[NewCase], Any],
    files: Files,
    language: str = "en",
    progress: Callable[[int, int], None] = lambda i, n: None,
) -> ImportReport:
    """Store every recording that a table among ``files`` lists.

    Args:
        add_case: stores a case; raises AsrError.
        files: of the set, by path.
        language: for rows that name none.
        progress: called with the number of rows done and of all rows.

    Raises:
        ManifestError: there is no table, or it is too long or cannot be read.
    """
    name, note = find_listing(files)
    listing = read_listing(files, name, _TABLE_LIMITS)
    entries = listing.entries
    n_stored = 0
    problems: list[str] = []
    notes = [note] if note else []
    cases = read_cases(entries, file_opener(files, listing.folder), language, notes.append)
    for i, (place, found) in enumerate(cases, 1):
        try:
            if isinstance(found, AsrError):
                raise found
            add_case(found)
            n_stored += 1
        except AsrError as error:
            if len(problems) < _N_SENTENCES:
                problems.append(_sentence(entries[place], error))
        progress(i, len(entries))
    return ImportReport(n_stored, len(entries), tuple(problems), tuple(notes[:_N_SENTENCES]))


def _sentence(entry: ManifestEntry | EntryError, error: AsrError) -> str:
    if isinstance(error, EntryError) or isinstance(entry, EntryError):
        return str(error)
    return str(EntryError(entry.where, str(error).rstrip(".")))

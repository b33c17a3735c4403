"""A set of recordings into the store: every line by itself, the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asr_core.errors import AsrError
from asr_core.testbench.cases import NewCase
from asr_core.testbench.layouts import Limits, find_listing, read_listing
from asr_core.testbench.manifests import Entry, Problem, read_cases
from asr_core.testbench.set_files import Files, picker

__all__ = ["Imported", "import_set"]

_LIMITS = Limits(rows=20_000, table_bytes=20_000_000)


@dataclass(frozen=True)
class Imported:
    """What became of a set.

    Attributes:
        n_stored: lines whose recording is in the test set now, of ``n_lines``.
        problems: a sentence for each of the first lines that could not be used.
        notes: sentences on what was read all the same, such as which of several tables.
    """

    n_stored: int
    n_lines: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_problems(self) -> int:
        return self.n_lines - self.n_stored


_N_SENTENCES = 10


def import_set(
    add_case: Callable[[NewCase], Any],
    files: Files,
    language: str = "en",
    progress: Callable[[int, int], None] = lambda i, n: None,
) -> Imported:
    """Store every recording that is listed among ``files``.

    Args:
        add_case: of the store; raises AsrError.
        language: of lines that tell none.
        progress: called with how many lines are done, of how many.

    Raises:
        ManifestError: nothing lists them, or it is too long or cannot be read.
    """
    name, note = find_listing(files)
    listing = read_listing(files, name, _LIMITS)
    entries = listing.entries
    n_stored = 0
    problems: list[str] = []
    notes = [note] if note else []
    cases = read_cases(entries, picker(files, listing.folder), language, notes.append)
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
    return Imported(n_stored, len(entries), tuple(problems), tuple(notes[:_N_SENTENCES]))


def _sentence(entry: Entry | Problem, error: AsrError) -> str:
    if isinstance(error, Problem) or isinstance(entry, Problem):
        return str(error)
    return str(Problem(entry.where, str(error).rstrip(".")))

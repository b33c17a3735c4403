"""A set of recordings into the store: every line by itself, the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from asr_core.errors import AsrError, ManifestError
from asr_core.testbench.archives import Files, picker
from asr_core.testbench.cases import NewCase
from asr_core.testbench.manifests import find_manifest, read_cases, read_entries

__all__ = ["Imported", "import_set"]

_MAX_TABLE_BYTES = 20_000_000
_MAX_LINES = 20_000


@dataclass(frozen=True)
class Imported:
    """What became of a set.

    Attributes:
        n_stored: lines whose recording is in the test set now, of ``n_lines``.
        problems: a sentence for each of the first lines that could not be used.
    """

    n_stored: int
    n_lines: int
    problems: tuple[str, ...]

    @property
    def n_problems(self) -> int:
        return self.n_lines - self.n_stored


_N_PROBLEMS = 10


def import_set(
    add_case: Callable[[NewCase], Any],
    files: Files,
    language: str = "en",
    progress: Callable[[int, int], None] = lambda i, n: None,
) -> Imported:
    """Store every recording that the table among ``files`` lists.

    Args:
        add_case: of the store; raises AsrError.
        language: of lines that tell none.
        progress: called with how many lines are done, of how many.

    Raises:
        ManifestError: there is no table, or it is too long or cannot be read.
    """
    manifest = find_manifest(files)
    path = PurePosixPath(manifest)
    with files[manifest]() as file:
        content = file.read(_MAX_TABLE_BYTES + 1)
    if len(content) > _MAX_TABLE_BYTES:
        raise ManifestError(
            f"The table is larger than {_MAX_TABLE_BYTES / 1e6:.0f} MB; divide the set."
        )
    entries = read_entries(path.name, content)
    if len(entries) > _MAX_LINES:
        raise ManifestError(f"The table has {len(entries)} lines; at most {_MAX_LINES} are read.")
    n_stored = 0
    problems: list[str] = []
    open_file = picker(files, str(path.parent))
    for i, found in enumerate(read_cases(entries, open_file, language), 1):
        try:
            if isinstance(found, AsrError):
                raise found
            add_case(found)
            n_stored += 1
        except AsrError as error:
            if len(problems) < _N_PROBLEMS:
                problems.append(str(error))
        progress(i, len(entries))
    return Imported(n_stored, len(entries), tuple(problems))

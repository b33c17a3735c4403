"""Models as commands use them: checked, fetched and loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asr_core.cli.console import progress_line
from asr_core.errors import ModelError
from asr_core.languages import LANGUAGES

if TYPE_CHECKING:
    from asr_core.engines import Engine
    from asr_core.engines.base import EngineName
    from asr_core.models import Progress

__all__ = ["ModelChoice", "fetch_model"]


@dataclass(frozen=True)
class ModelChoice:
    """Model, and the task it is wanted for.

    Attributes:
        model: catalogue name, hub id or directory.
        engine: name of an engine, or ``auto``.
        language: code; None to detect it.
        translate: whether the result is to be in English.
        is_mixed: whether the language changes within a recording.
    """

    model: str
    engine: EngineName | Literal["auto"]
    language: str | None
    translate: bool = False
    is_mixed: bool = False

    def checked(self) -> ModelChoice:
        """Return the choice with the language set to English for English-only models.

        Raises:
            ModelError: the model cannot do the task.
        """
        from asr_core.models import capabilities, check_request

        check_request(self.model, self.language, translate=self.translate, is_mixed=self.is_mixed)
        known = capabilities(self.model)
        if known is not None and not known.is_multilingual:
            return replace(self, language="en")
        return self

    def load(
        self, *, n_threads: int | None = None, batch_size: int | None = None
    ) -> tuple[Engine, ModelChoice]:
        """Fetch and load the model; return its engine, and the choice checked once more.

        Raises:
            ModelError: the model cannot be loaded, or cannot do the task.
        """
        from asr_core.engines import load_engine

        directory = fetch_model(self.model)
        choice = self.checked()  # a hub id's files tell more than its name
        engine = load_engine(directory, self.engine, n_threads=n_threads, batch_size=batch_size)
        if choice.language is not None and choice.language not in engine.languages:
            raise ModelError(
                f"The model {self.model} does not know {LANGUAGES[choice.language]}; "
                "choose a multilingual model such as base."
            )
        return engine, choice


def fetch_model(model: str) -> Path:
    """Return the directory of a model, fetched with a progress line if it is not here.

    Raises:
        ModelError: there is no such model, or it cannot be fetched.
    """
    from asr_core.models import resolve

    with progress_line() as show:

        def report(progress: Progress) -> None:
            total = f" of {progress.total_mb:.0f} MB" if progress.total_mb else ""
            show(f"Fetching {model} from {progress.source}: {progress.done_mb:.0f} MB{total}")

        return resolve(model, report)

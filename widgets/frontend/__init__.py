"""Components of the app's own: each has a file of JavaScript, CSS and HTML in this folder.

Streamlit takes a component as three strings, so a file that another one imports is written into
it: an editor and a linter see modules, the browser gets one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

__all__ = ["define_component"]

_FOLDER = Path(__file__).parent
_JS_IMPORT = re.compile(r'^import \{[^}]+\} from "\./([\w.]+)";\n', re.MULTILINE)
_CSS_IMPORT = re.compile(r'^@import "\./([\w.]+)";\n', re.MULTILINE)


def define_component(name: str) -> ComponentRenderer:
    """Return a component made from ``name``.html, ``name``.css and ``name``.js of this folder."""
    html, css, js = (_source(f"{name}.{extension}") for extension in ("html", "css", "js"))
    return st.components.v2.component(
        name,
        html=html,
        css=_CSS_IMPORT.sub(lambda match: _source(match[1]), css),
        js=_JS_IMPORT.sub(lambda match: _without_exports(_source(match[1])), js),
    )


def _source(file_name: str) -> str:
    return (_FOLDER / file_name).read_text(encoding="utf-8")


def _without_exports(js: str) -> str:
    return re.sub(r"^export (?=(async )?function )", "", js, flags=re.MULTILINE)

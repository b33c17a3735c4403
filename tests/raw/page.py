"""A page of the app as drawn by the messages of Streamlit's server; no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

__all__ = ["Element", "Failure", "Page"]

_TEXT_FIELDS = ("body", "message", "label", "text")


@dataclass(frozen=True)
class Element:
    """An element at one place of the page.

    Attributes:
        kind: the field of ``Element`` or, with ``block:`` before it, of ``Block``.
        proto: the message of that kind.
        fragment: the id of the fragment that drew it; empty for the page itself.
        run: the id of the run of the script that drew it.
    """

    kind: str
    proto: Any
    fragment: str
    run: str

    @property
    def text(self) -> str:
        """Return its text; empty for components and widgets without a label."""
        found = (getattr(self.proto, name, "") for name in _TEXT_FIELDS)
        return next((text for text in found if isinstance(text, str) and text), "")

    @property
    def id(self) -> str:
        return str(getattr(self.proto, "id", ""))


@dataclass(frozen=True)
class Failure:
    """An exception that the page shows."""

    kind: str
    message: str
    stack_trace: tuple[str, ...]


@dataclass
class Page:
    """The state of one browser tab.

    Attributes:
        finished: completed runs of the whole script.
        fragment_runs: completed runs of fragments.
        fragments: seconds between the runs of each fragment that asks for them.
        failures: every exception shown so far.
    """

    session_id: str = ""
    script_hash: str = ""
    finished: int = 0
    fragment_runs: int = 0
    pages: dict[str, str] = field(default_factory=dict)  # path → hash
    elements: dict[tuple[int, ...], Element] = field(default_factory=dict)
    fragments: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    run: str = ""  # id of the run that draws; only its first and last message contain it

    def apply(self, message: ForwardMsg) -> None:
        """Apply a message to the page as a browser would."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._begin(message)
        elif kind == "delta":
            self._draw(message)
        elif kind == "navigation":
            known = message.navigation.app_pages
            self.pages = {page.url_pathname: page.page_script_hash for page in known}
            self.script_hash = message.navigation.page_script_hash
        elif kind == "auto_rerun":
            self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self.fragments.pop(fragment, None)
        elif kind == "script_finished":
            self._end(message)

    def _begin(self, message: ForwardMsg) -> None:
        new, self.run = message.new_session, message.metadata.run.script_run_id
        self.session_id = new.initialize.session_id or self.session_id
        if not message.metadata.run.fragment_ids:
            self.script_hash = new.page_script_hash or self.script_hash
            self.fragments.clear()

    def _draw(self, message: ForwardMsg) -> None:
        place, delta = tuple(message.metadata.delta_path), message.delta
        inside = [path for path in self.elements if path[: len(place)] == place]
        if delta.WhichOneof("type") == "new_element":
            for path in inside:
                del self.elements[path]
            kind = delta.new_element.WhichOneof("type") or "empty"
            proto = getattr(delta.new_element, kind, delta.new_element)
            if kind == "exception":
                trace = tuple(proto.stack_trace)
                self.failures.append(Failure(proto.type, proto.message, trace))
        elif delta.WhichOneof("type") == "add_block":
            kind, proto = f"block:{delta.add_block.WhichOneof('type')}", delta.add_block
        else:
            return  # transient: a spinner
        self.elements[place] = Element(kind, proto, delta.fragment_id, self.run)

    def _end(self, message: ForwardMsg) -> None:
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        drawn_by = set(message.metadata.run.fragment_ids)
        for path, element in list(self.elements.items()):
            is_ours = element.fragment in drawn_by if drawn_by else True
            if is_ours and element.run != self.run:
                del self.elements[path]
        if message.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            self.fragment_runs += 1
        else:
            self.finished += 1

    def find(self, kind: str = "", label: str | None = None) -> Iterator[Element]:
        """Yield the elements of a kind with a label, in the order of the page."""
        for _, element in sorted(self.elements.items()):
            if (not kind or element.kind == kind) and (label is None or element.text == label):
                yield element

    def one(self, kind: str, label: str | None = None) -> Element:
        """Return the first such element.

        Raises:
            LookupError: there is none; lists the existing ones.
        """
        found = next(self.find(kind, label), None)
        if found is None:
            there = [(element.kind, element.text[:60]) for element in self.find()]
            raise LookupError(f"no {kind} {label!r} on the page, but {there}")
        return found

    def has(self, kind: str, label: str | None = None) -> bool:
        return next(self.find(kind, label), None) is not None

    def texts(self, *kinds: str) -> list[str]:
        """Return the texts of elements of these kinds, or of all."""
        return [e.text for e in self.find() if e.text and (not kinds or e.kind in kinds)]

    def component(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the data of each component whose name has ``name`` in it."""
        for element in self.find("bidi_component"):
            if name in element.proto.component_name:
                which = element.proto.WhichOneof("data")
                text = element.proto.mixed.json if which == "mixed" else element.proto.json
                yield json.loads(text or "{}")

    def words(self) -> str:
        """Return the final words of all transcripts on the page, of recordings and files."""
        parts: list[str] = []
        for view in self.component("transcript_view"):
            parts += [line["text"] for line in view.get("lines", ())]
            parts += [view.get("committed") or ""]
        for editor in self.component("transcript_editor"):
            for line in editor.get("lines", ()):
                parts += ["".join(word for word, *_ in line["words"])]
        return " ".join(" ".join(parts).split())

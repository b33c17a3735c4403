"""A finished transcript beside its player: listen, find, correct.

A word that is clicked is where the player jumps; the word being played is marked, and
so is what the model doubted. Lines can be rewritten in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from asr_core.languages import LANGUAGES
from asr_core.transcript import Segment, Transcript
from widgets.clipboard import COPY_JS
from widgets.looks import BUTTON_CSS
from widgets.transcript_view import line_clock

__all__ = ["transcript_editor"]

DOUBTFUL = 0.5
"""A word that the model gives a lower probability is marked."""

_HTML = """
<div class="bar">
  <input class="find" type="search" placeholder="Find" aria-label="Find in the transcript">
  <span class="count" role="status"></span>
  <button type="button" class="previous" aria-label="Previous match" hidden>↑</button>
  <button type="button" class="next" aria-label="Next match" hidden>↓</button>
  <span class="actions"><button type="button" class="edit" aria-pressed="false">Correct</button>
    <button type="button" class="copy">Copy</button></span>
</div>
<p class="hint"></p>
<div class="box" tabindex="0" role="log" aria-label="Transcript"></div>
"""

_CSS = """
:host { display: block; }
.bar { display: flex; align-items: center; gap: .4rem; flex-wrap: wrap; }
.actions { display: flex; gap: .4rem; margin-left: auto; }
.find { font: inherit; font-size: .9rem; padding: .25rem .6rem; flex: 0 1 11rem; min-width: 5rem;
  border-radius: .4rem; border: 1px solid var(--st-border-color);
  color: var(--st-text-color); background: var(--st-secondary-background-color); }
.count:empty { display: none; }
.count { font-size: .85rem; opacity: .75; color: var(--st-text-color); }
button[aria-pressed="true"] { border-color: var(--st-primary-color);
  color: var(--st-primary-color); }
.hint { margin: .35rem 0 .5rem; font-size: .85rem; opacity: .75; color: var(--st-text-color); }
.box { max-height: 55vh; overflow-y: auto; padding: .75rem 1rem; border-radius: .5rem;
  border: 1px solid var(--st-border-color); line-height: 1.6; color: var(--st-text-color);
  overflow-wrap: anywhere; }
.line { display: flex; gap: .75rem; margin: 0 0 .35rem; content-visibility: auto;
  contain-intrinsic-height: auto 1.6em; }
.line .time { flex: none; align-self: flex-start; min-width: 3.9em; text-align: left; opacity: .7;
  font-size: .85em; padding: .15em 0 0; border: 0; background: none;
  font-variant-numeric: tabular-nums; }
.line .words { flex: 1; border-radius: .25rem; outline: none; min-height: 1.6em; padding: 0 .3rem; }
.line .words span { cursor: pointer; border-radius: .2rem; }
.line .words span:hover { background: var(--st-secondary-background-color); }
.line .words span.doubtful { text-decoration: underline dotted #d97706 .12em;
  text-underline-offset: .2em; }
.line .words span.hit { background: rgb(250 204 21 / .35); }
.line .words span.hit.here { background: rgb(250 204 21 / .8); color: #111; }
.line .words span.now { background: var(--st-primary-color); color: #fff; }
.editing .line .words { box-shadow: inset 0 -1px var(--st-border-color); cursor: text; }
.editing .line .words:focus { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
.editing .line .words span { cursor: text; }
.line .undo { flex: none; align-self: flex-start; padding: 0 .4rem; }
"""

_JS = """
const views = new WeakMap();

export default function ({ data, parentElement: root, setStateValue }) {
  let view = views.get(root);
  if (view && view.id !== data.id) { view.close(); view = null; }
  if (!view) views.set(root, (view = new View(root, data.id)));
  view.setState = setStateValue;
  view.player = data.player;
  view.draw(data);
  return () => { view.close(); views.delete(root); };
}

class View {
  constructor(root, id) {
    this.root = root;
    this.id = id;
    this.lines = [];   // as the server sent them
    this.texts = {};   // line → text of the user's, null for the model's again
    this.starts = [];  // of the words, and their elements
    this.spans = [];
    this.hits = [];
    this.closing = new AbortController();
    this.box = root.querySelector(".box");
    this.box.replaceChildren();
    const $ = (selector) => root.querySelector(selector);
    $(".find").oninput = () => this.find();
    $(".find").onkeydown = (event) => {
      if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
    };
    $(".previous").onclick = () => this.step(-1);
    $(".next").onclick = () => this.step(1);
    $(".edit").onclick = () => this.edit(!this.editing);
    $(".copy").onclick = () => copy($(".copy"), this.text());
    this.box.onclick = (event) => this.clicked(event);
    this.box.onkeydown = (event) => this.key(event);
    this.box.addEventListener("focusout", (event) => this.keep(event.target));
    // Media events do not bubble, but they can be caught on the way down, whichever
    // element the page has for the player by then.
    for (const name of ["play", "playing", "seeked", "timeupdate"])
      document.addEventListener(name, (event) => {
        if (event.target === this.media()) this.follow();
      }, { capture: true, signal: this.closing.signal });
    this.edit(false);
  }

  close() {
    this.closing.abort();
    cancelAnimationFrame(this.frame);
  }

  media() {
    return document.querySelector(`.st-key-${this.player} :is(audio, video)`);
  }

  draw(data) {
    const active = this.root.getRootNode().activeElement;
    const writing = active && active.closest(".words");
    data.lines.forEach((line, i) => {
      const old = this.box.children[i];
      if (JSON.stringify(this.lines[i]) === JSON.stringify(line)) return;
      if (old && old.contains(writing)) return;
      const element = this.lineElement(line, i);
      if (old) old.replaceWith(element); else this.box.append(element);
      this.lines[i] = line;
    });
    this.index();
  }

  lineElement(line, i) {
    const p = document.createElement("div"), time = document.createElement("button");
    const words = document.createElement("span");
    p.className = "line";
    p.dataset.line = i;
    time.type = "button";
    time.className = "time";
    time.textContent = line.time;
    time.title = line.language || "";
    time.setAttribute("aria-label", "Play from " + line.time);
    words.className = "words";
    for (const [text, start, probability] of line.words) {
      const span = document.createElement("span"), bare = text.trimStart();
      if (words.firstChild && bare !== text) words.append(" ");
      span.textContent = bare;
      span.dataset.start = start;
      if (probability !== null) {
        span.className = "doubtful";
        span.title = "The model is unsure: " + Math.round(100 * probability) + " %";
      }
      words.append(span);
    }
    p.append(time, words);
    if (line.edited) {
      const undo = document.createElement("button");
      undo.type = "button";
      undo.className = "undo";
      undo.textContent = "↺";
      undo.title = "Back to what the model heard";
      undo.setAttribute("aria-label", undo.title);
      p.append(undo);
    }
    this.open(words);
    return p;
  }

  index() {
    this.spans = [...this.box.querySelectorAll(".words span")];
    this.starts = this.spans.map((span) => Number(span.dataset.start));
    this.find();
  }

  // --- listening

  seek(seconds, play) {
    const media = this.media();
    if (!media) return;
    media.currentTime = seconds;
    if (play) media.play();
  }

  follow() {
    cancelAnimationFrame(this.frame);
    const media = this.media();
    if (!media) return;
    if (media.paused && media.currentTime === 0) { this.mark(undefined, false); return; }
    let low = 0, high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= media.currentTime + 0.02) low = middle + 1; else high = middle;
    }
    this.mark(this.spans[low - 1], !media.paused);
    if (!media.paused) this.frame = requestAnimationFrame(() => this.follow());
  }

  mark(span, scroll) {
    if (span === this.now) return;
    if (this.now) this.now.classList.remove("now");
    this.now = span;
    if (!span) return;
    span.classList.add("now");
    if (scroll && !this.editing) this.show(span);
  }

  show(span) {
    // Scrolls the box alone: the page stays where its reader put it.
    const box = this.box.getBoundingClientRect(), at = span.getBoundingClientRect();
    if (at.top < box.top || at.bottom > box.bottom)
      this.box.scrollTop += at.top - box.top - box.height / 3;
  }

  clicked(event) {
    const line = event.target.closest(".line");
    if (!line) return;
    if (event.target.closest(".undo")) { this.send(line, null); return; }
    const word = event.target.closest(".words span") || line.querySelector(".words span");
    if (word && (event.target.closest(".time") || event.target.closest(".words span")))
      this.seek(Number(word.dataset.start), !this.editing || event.target.closest(".time"));
  }

  // --- correcting

  edit(on) {
    this.editing = on;
    this.box.classList.toggle("editing", on);
    const button = this.root.querySelector(".edit");
    button.setAttribute("aria-pressed", on);
    button.textContent = on ? "Done" : "Correct";
    this.root.querySelector(".hint").textContent = on
      ? "Type over what is wrong; the downloads follow. Enter goes to the next line, Escape takes back."
      : "Click a word to hear it. Dotted words are those that the model doubts.";
    for (const words of this.box.querySelectorAll(".words")) this.open(words);
  }

  open(words) {
    if (this.editing) {
      words.contentEditable = "plaintext-only";
      if (words.contentEditable !== "plaintext-only") words.contentEditable = "true";
      words.setAttribute("role", "textbox");
      words.setAttribute("aria-label", "Line at " + words.previousSibling.textContent);
      words.spellcheck = true;
    } else {
      words.removeAttribute("contenteditable");
      words.removeAttribute("role");
      words.removeAttribute("aria-label");
    }
  }

  key(event) {
    const words = event.target.closest && event.target.closest(".words");
    if (!words || !this.editing) return;
    if (event.key === "Escape") {
      const line = words.parentElement, i = Number(line.dataset.line);
      line.replaceWith(this.lineElement(this.lines[i], i));
      this.index();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const next = words.parentElement.nextElementSibling;
      if (next) next.querySelector(".words").focus(); else words.blur();
    }
  }

  keep(words) {
    const line = words.closest && words.closest(".line");
    if (!line || !this.editing || !words.classList.contains("words")) return;
    const said = this.lines[Number(line.dataset.line)].words.map((word) => word[0]).join("");
    const text = words.textContent.replace(/\\s+/g, " ").trim();
    if (text !== said.replace(/\\s+/g, " ").trim()) this.send(line, text);
  }

  send(line, text) {
    // All corrections go each time, so that a quick second one cannot replace a first.
    this.texts = { ...this.texts, [line.dataset.line]: text };
    this.setState("texts", this.texts);
  }

  // --- finding

  find() {
    const wanted = this.root.querySelector(".find").value.toLowerCase().trim();
    for (const span of this.hits.flat()) span.classList.remove("hit", "here");
    this.hits = [];
    if (wanted) for (const words of this.box.querySelectorAll(".words")) {
      const text = words.textContent.toLowerCase();
      const places = [];  // of the words: first character, the one after the last, element
      let length = 0;
      for (const node of words.childNodes) {
        if (node.nodeName === "SPAN") places.push([length, length + node.textContent.length, node]);
        length += node.textContent.length;
      }
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        const inside = places.filter(([from, to]) => to > at && from < at + wanted.length);
        this.hits.push(inside.map(([, , span]) => span));
      }
    }
    for (const span of this.hits.flat()) span.classList.add("hit");
    this.place = -1;
    for (const name of ["previous", "next"])
      this.root.querySelector("." + name).hidden = this.hits.length < 2;
    if (this.hits.length) this.step(1);
    else this.root.querySelector(".count").textContent = wanted ? "None" : "";
  }

  step(by) {
    if (!this.hits.length) return;
    for (const span of this.hits[this.place] || []) span.classList.remove("here");
    this.place = (this.place + by + this.hits.length) % this.hits.length;
    for (const span of this.hits[this.place]) span.classList.add("here");
    this.root.querySelector(".count").textContent = `${this.place + 1} of ${this.hits.length}`;
    const first = this.hits[this.place][0];
    if (first) this.show(first);
  }

  text() {
    const lines = [...this.box.querySelectorAll(".words")].map((words) => words.textContent.trim());
    return lines.filter(Boolean).join("\\n");
  }
}
"""

_component = st.components.v2.component(
    "transcript_editor", html=_HTML, css=BUTTON_CSS + _CSS, js=_JS + COPY_JS
)


def transcript_editor(
    name: str, heard: Transcript, texts: dict[int, str], shown: Transcript, player: str
) -> None:
    """Draw a transcript; what the user corrects is put into ``texts``.

    Args:
        name: of the transcript, for keys.
        heard: what the model made of the recording; some words at least.
        texts: corrections so far, by the index of the line; an empty one removes it.
        shown: ``heard`` with the corrections.
        player: key of the container with the ``st.audio`` or ``st.video``.
    """
    key = f"editor-{name}"
    _component(
        data={"id": name, "player": player, "lines": _lines(heard, texts, shown)},
        key=key,
        on_texts_change=lambda: _take(texts, st.session_state[key]["texts"]),
    )


def _take(texts: dict[int, str], changed: Mapping[str, str | None]) -> None:
    for line, text in changed.items():
        if text is None:
            texts.pop(int(line), None)
        else:
            texts[int(line)] = " ".join(text.split())


def _lines(heard: Transcript, texts: Mapping[int, str], shown: Transcript) -> list[dict[str, Any]]:
    """Every line of ``heard``, as it is in ``shown``; without words where it was removed."""
    left = iter(shown.segments)
    return [
        _line(segment, None if texts.get(i) == "" else next(left), is_edited=i in texts)
        for i, segment in enumerate(heard.segments)
    ]


def _line(heard: Segment, shown: Segment | None, *, is_edited: bool) -> dict[str, Any]:
    words = [
        (word.text, round(word.start, 2), _doubt(word.probability))
        for word in (shown.words if shown else ())
    ]
    return {
        "time": line_clock(heard.start),
        "language": LANGUAGES.get(heard.language or ""),
        "words": words,
        "edited": is_edited,
    }


def _doubt(probability: float) -> float | None:
    return round(probability, 2) if probability < DOUBTFUL else None

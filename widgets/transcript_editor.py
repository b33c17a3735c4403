"""A finished transcript beside its player: listen, find, correct.

A word that is clicked is where the player jumps; the word being played is marked, and
so is what the model doubted. Lines can be rewritten in place. What is typed is kept in the tab
until the server has it, and a download that is pressed before waits for that.
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

_MOST_DIGITS = 7  # of the number of a line

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
.line .speaker { flex: none; font-weight: 600; opacity: .8; }
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
.line .undo.none { display: none; }
/* Its room is kept, so that no line and no button below moves when a line is corrected. */
.editing .line .undo.none { display: block; visibility: hidden; }
"""

_JS = """
const views = new WeakMap();
const writing = new Map();  // where in each transcript somebody writes, though it is drawn anew
const missed = [];  // keys of who writes, that came while the editor was drawn anew
const SEND_EVERY_MS = 1000;  // while somebody types

// Nothing has the focus then, and keys would be lost.
document.addEventListener("keydown", (event) => {
  const isText = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isWriting = [...writing.values()].some(({ line }) => line !== undefined);
  if (!isText || !isWriting || document.activeElement !== document.body) return;
  event.preventDefault();
  missed.push(event.key);
}, true);
document.addEventListener("pointerdown", () => { missed.length = 0; }, true);

export default function ({ data, parentElement: root, setStateValue }) {
  let view = views.get(root);
  if (view && view.id !== data.id) { view.close(); view = null; }
  if (!view) views.set(root, (view = new View(root, data.id)));
  view.setState = setStateValue;
  view.player = data.player;
  view.saves = data.saves;
  view.draw(data);
  return () => { view.close(); views.delete(root); };
}

class View {
  constructor(root, id) {
    this.root = root;
    this.id = id;
    this.lines = [];   // as they are drawn
    this.newest = [];  // as the server sent them last
    this.inTab = "asr-typed/" + id;  // in the tab's storage, which outlives a page loaded anew
    // Line → its text, null for the model's, and when that was typed; gone once the server has it.
    this.typing = stored(this.inTab);
    this.last = 0;     // when something was typed last
    this.held = [];    // downloads that were pressed before that
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
    this.box.addEventListener("focusin", (event) => this.begin(event.target));
    this.box.addEventListener("input", (event) => this.typed(event.target));
    this.box.addEventListener("focusout", () => this.left());
    const also = { capture: true, signal: this.closing.signal };
    // Not every press takes the focus away, and some tabs end without a word.
    for (const [where, name] of [[document, "pointerdown"], [document, "visibilitychange"],
      [window, "pagehide"]])
      where.addEventListener(name, () => this.flush(), also);
    // What is under the pointer stays there until it is let go, or the press is lost.
    document.addEventListener("pointerdown", () => { this.pressed = true; }, also);
    for (const name of ["pointerup", "pointercancel"])
      document.addEventListener(name, () => {
        this.pressed = false;
        setTimeout(() => this.redraw());
      }, also);
    document.addEventListener("click", (event) => this.hold(event), also);
    // Media events do not bubble, but they can be caught on the way down, whichever
    // element the page has for the player by then.
    for (const name of ["play", "playing", "seeked", "timeupdate"])
      document.addEventListener(name, (event) => {
        if (event.target === this.media()) this.follow();
      }, also);
    this.edit(writing.has(id));
  }

  close() {
    this.closing.abort();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  media() {
    return document.querySelector(`.st-key-${this.player} :is(audio, video)`);
  }

  draw(data) {
    this.newest = data.lines;
    this.confirm(data.at || 0);
    this.redraw();
    // What another view of this page could not send. Nothing is sent twice: Streamlit sends its
    // state again when the connection is back, and takes a message for a change of mind where
    // the page was just changed.
    if (!this.isDrawn) this.flush();
    this.isDrawn = true;
  }

  redraw() {
    const focused = this.focused();
    if (this.pressed && this.lines.length) return;
    let isChanged = false;
    this.newest.forEach((line, i) => {
      const old = this.box.children[i];
      if (JSON.stringify(this.lines[i]) === JSON.stringify(line)) return;
      if (old && (old.contains(focused) || i in this.typing)) return;
      const element = this.lineElement(line, i);
      if (old) old.replaceWith(element); else this.box.append(element);
      this.lines[i] = i in this.typing ? null : line;
      isChanged = true;
    });
    if (isChanged) this.index();
    if (!focused) this.resume();
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
    for (const [text, start, probability] of this.shown(line, i)) {
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
    const undo = document.createElement("button");
    undo.type = "button";
    undo.className = line.typed === null ? "undo none" : "undo";
    undo.textContent = "↺";
    undo.title = "Back to what the model heard";
    undo.setAttribute("aria-label", undo.title);
    p.append(time);
    if (line.speaker) {
      const speaker = document.createElement("span");
      speaker.className = "speaker";
      speaker.textContent = line.speaker + ":";
      p.append(speaker);
    }
    p.append(words, undo);
    this.open(words);
    return p;
  }

  shown(line, i) {
    const [text] = this.typing[i] || [null];
    if (text === null) return line.words;
    return text ? [[text, line.start, null]] : [];
  }

  index() {
    // In the order of time: lines of different speakers overlap.
    this.spans = [...this.box.querySelectorAll(".words span")]
      .sort((a, b) => Number(a.dataset.start) - Number(b.dataset.start));
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
    if (event.target.closest(".undo")) {
      this.put(Number(line.dataset.line), null);
      this.flush();
      return;
    }
    const word = event.target.closest(".words span") || line.querySelector(".words span");
    if (word && (event.target.closest(".time") || event.target.closest(".words span")))
      this.seek(Number(word.dataset.start), !this.editing || event.target.closest(".time"));
  }

  // --- correcting

  edit(on) {
    this.editing = on;
    this.flush();
    if (on) writing.set(this.id, writing.get(this.id) || {}); else writing.delete(this.id);
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
      words.setAttribute("aria-label", "Line at " + words.parentElement.querySelector(".time").textContent);
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
      this.takeBack();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const next = words.parentElement.nextElementSibling;
      if (next) next.querySelector(".words").focus(); else words.blur();
    }
  }

  focused() {
    const active = this.root.getRootNode().activeElement;
    return active && this.box.contains(active) ? active.closest(".words") : null;
  }

  begin(words) {
    const i = lineOf(words);
    if (i === null) return;
    this.before = { i, text: i in this.typing ? this.typing[i][0] : this.newest[i].typed };
    writing.set(this.id, { line: i });
  }

  typed(words) {
    const i = lineOf(words);
    if (i === null) return;
    this.put(i, spaced(words.textContent));
    this.later();
    writing.set(this.id, { line: i, at: caret(words) });
  }

  left() {
    this.flush();
    // A line that was drawn anew is no more in the page, and its writer has not left it.
    setTimeout(() => {
      if (!this.box.isConnected || this.focused()) return;
      if (this.editing) writing.set(this.id, {});
      this.redraw();
    });
  }

  takeBack() {
    const { i, text } = this.before, line = this.newest[i];
    this.put(i, text);
    const element = this.lineElement(line, i);
    if (text === null && line.heard !== null) element.querySelector(".words").textContent = line.heard;
    this.box.children[i].replaceWith(element);
    this.lines[i] = null;
    this.flush();
    this.index();
  }

  resume() {
    const { line, at } = writing.get(this.id) || {};
    const words = this.editing && line !== undefined && this.box.children[line]
      && this.box.children[line].querySelector(".words");
    if (!words || document.activeElement !== document.body) return;
    words.focus({ preventScroll: true });
    if (at !== undefined) setCaret(words, at);
    if (missed.length) document.execCommand("insertText", false, missed.splice(0).join(""));
    else writing.set(this.id, { line, at });  // it may be drawn anew before something more is typed
  }

  // --- sending

  unsent() { return Object.keys(this.typing).length > 0; }

  put(i, text) {
    this.last = Math.max(Date.now(), this.last + 1);
    this.typing[i] = [text, this.last];
    store(this.inTab, this.typing);
  }

  later() {
    this.timer = this.timer || setTimeout(() => {
      this.timer = null;
      this.flush();
    }, SEND_EVERY_MS);
  }

  flush() {
    const typed = Object.entries(this.typing);
    if (!this.setState || !typed.length) return;
    const at = Math.max(...typed.map(([, [, at]]) => at));
    if (at === this.sent) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.sent = at;
    // All that the server may not have, so that a quick second one cannot replace a first.
    this.setState("texts", { ...Object.fromEntries(typed.map(([i, [text]]) => [i, text])), at });
  }

  confirm(upTo) {
    const left = Object.entries(this.typing).filter(([, [, at]]) => at > upTo);
    this.typing = Object.fromEntries(left);
    store(this.inTab, this.typing);
    if (!left.length) this.release();
  }

  hold(event) {
    const button = event.target.closest && event.target.closest(`.st-key-${this.saves} button`);
    if (!button || !this.unsent()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.flush();
    button.setAttribute("aria-busy", true);
    button.style.opacity = .5;
    const place = button.closest('[class*="st-key-save-"]').classList;
    this.held.push([...place].find((name) => name.startsWith("st-key-save-")));
  }

  release() {
    for (const place of this.held.splice(0)) {
      const button = document.querySelector(`.${place} button`);
      if (!button) continue;
      button.removeAttribute("aria-busy");
      button.style.opacity = "";
      button.click();
    }
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
    return [...this.box.children].map((line) => {
      const words = line.querySelector(".words").textContent.trim();
      const speaker = line.querySelector(".speaker");
      return words && speaker ? speaker.textContent + " " + words : words;
    }).filter(Boolean).join("\\n");
  }
}

function lineOf(words) {
  const line = words.closest && words.classList.contains("words") && words.closest(".line");
  return line ? Number(line.dataset.line) : null;
}

function spaced(text) {
  const well = text.toWellFormed ? text.toWellFormed() : text;
  return well.replace(/\\s+/g, " ").trimStart();
}

function caret(words) {
  const selection = words.getRootNode().getSelection
    ? words.getRootNode().getSelection() : getSelection();
  if (!selection || !selection.rangeCount) return undefined;
  const range = selection.getRangeAt(0).cloneRange();
  range.setStart(words, 0);
  return range.toString().length;
}

function setCaret(words, at) {
  const walker = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (at <= node.length) { getSelection().collapse(node, at); return; }
    at -= node.length;
  }
  // The server keeps no space at the end, behind which the next word is typed.
  const space = document.createTextNode(" ");
  words.append(space);
  getSelection().collapse(space, 1);
}

function stored(place) {
  try { return JSON.parse(sessionStorage.getItem(place)) || {}; } catch { return {}; }
}

function store(place, typing) {
  try {
    if (Object.keys(typing).length) sessionStorage.setItem(place, JSON.stringify(typing));
    else sessionStorage.removeItem(place);
  } catch {}  // full, or forbidden: then they are on the page only
}
"""

_component = st.components.v2.component(
    "transcript_editor", html=_HTML, css=BUTTON_CSS + _CSS, js=_JS + COPY_JS
)


def transcript_editor(
    name: str,
    heard: Transcript,
    texts: dict[int, str],
    shown: Transcript,
    player: str,
    saves: str,
) -> None:
    """Draw a transcript; what the user corrects is put into ``texts``, as soon as it is typed.

    Args:
        name: of the transcript, for keys.
        heard: what the model made of the recording; some words at least.
        texts: corrections so far, by the index of the line; an empty one removes it.
        shown: ``heard`` with the corrections.
        player: key of the container with the ``st.audio`` or ``st.video``.
        saves: key of the container with the downloads, which wait for what is typed.
    """
    key = f"editor-{name}"
    result = _component(
        data={
            "id": name,
            "player": player,
            "saves": saves,
            "at": _typed_at(st.session_state.get(key)),
            "lines": _lines(heard, texts, shown),
        },
        key=key,
        on_texts_change=lambda: _take(texts, heard, st.session_state[key]["texts"]),
    )
    # The server may have lost the session, and the tab tells it what was typed meanwhile.
    if _take(texts, heard, result.get("texts")):
        st.rerun()


def _typed_at(state: Any) -> int:
    """Return when what the browser has told was typed, on its clock; 0 for nothing."""
    typed = state.get("texts") if isinstance(state, Mapping) else None
    at = typed.get("at") if isinstance(typed, Mapping) else None
    return at if isinstance(at, int) else 0


def _take(texts: dict[int, str], heard: Transcript, typed: Any) -> bool:
    """Put what the browser tells into ``texts``; False if it was there already."""
    before = dict(texts)
    for line, text in typed.items() if isinstance(typed, Mapping) else ():
        i = int(line) if line.isdecimal() and len(line) < _MOST_DIGITS else len(heard.segments)
        if i >= len(heard.segments):
            continue
        if isinstance(text, str) and _spaced(text) != _spaced(heard.segments[i].text):
            texts[i] = _spaced(text)
        else:
            texts.pop(i, None)
    return texts != before


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _lines(heard: Transcript, texts: Mapping[int, str], shown: Transcript) -> list[dict[str, Any]]:
    """Every line of ``heard``, as it is in ``shown``; without words where it was removed."""
    left = iter(shown.segments)
    return [
        _line(segment, None if texts.get(i) == "" else next(left), texts.get(i))
        for i, segment in enumerate(heard.segments)
    ]


def _line(heard: Segment, shown: Segment | None, typed: str | None) -> dict[str, Any]:
    words = [
        (word.text, round(word.start, 2), _doubt(word.probability))
        for word in (shown.words if shown else ())
    ]
    return {
        "time": line_clock(heard.start),
        "start": round(heard.start, 2),
        "language": LANGUAGES.get(heard.language or ""),
        "speaker": heard.speaker,
        "words": words,
        "typed": typed,
        "heard": None if typed is None else heard.text.strip(),
    }


def _doubt(probability: float) -> float | None:
    return round(probability, 2) if probability < DOUBTFUL else None

import { copy } from "./clipboard.js";

const views = new WeakMap();
const writing = new Map();  // transcript → line and caret being edited, across redraws
const missed = [];  // keys typed while the editor was being redrawn
const SEND_EVERY_MS = 1000;  // while somebody types

// During a redraw nothing has the focus, and keys would be lost.
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
  view.downloads = data.downloads;
  view.draw(data);
  return () => { view.close(); views.delete(root); };
}

class View {
  constructor(root, id) {
    this.root = root;
    this.id = id;
    this.lines = [];   // as drawn
    this.newest = [];  // as last sent by the server
    this.inTab = "asr-typed/" + id;  // key in sessionStorage, which survives a reload
    // Line → [text, time of the edit]; null is the model's text. Removed once the server has it.
    this.typing = stored(this.inTab);
    this.last = 0;     // time of the last edit
    this.held = [];    // downloads that wait for the server to have all edits
    this.starts = [];  // start times of the words, and their elements
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
    this.box.addEventListener("focusin", (event) => this.startEditing(event.target));
    this.box.addEventListener("input", (event) => this.edited(event.target));
    this.box.addEventListener("focusout", () => this.focusLeft());
    const also = { capture: true, signal: this.closing.signal };
    // Not every press moves the focus, and some tabs end without any event but these.
    for (const [where, name] of [[document, "pointerdown"], [document, "visibilitychange"],
      [window, "pagehide"]])
      where.addEventListener(name, () => this.flush(), also);
    // Redrawing the element under a held pointer would lose the click.
    document.addEventListener("pointerdown", () => { this.pressed = true; }, also);
    for (const name of ["pointerup", "pointercancel"])
      document.addEventListener(name, () => {
        this.pressed = false;
        setTimeout(() => this.redraw());
      }, also);
    document.addEventListener("click", (event) => this.hold(event), also);
    // Media events do not bubble but can be captured, whichever element is the player by then.
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
    // Send what an earlier view of this page could not. Nothing is sent twice: Streamlit resends
    // its state after a reconnect, and a message would undo a change of page made just before.
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
        span.className = "low-confidence";
        span.title = "Confidence: " + Math.round(100 * probability) + " %";
      }
      words.append(span);
    }
    const undo = document.createElement("button");
    undo.type = "button";
    undo.className = line.typed === null ? "undo none" : "undo";
    undo.textContent = "↺";
    undo.title = "Restore the recognised text";
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
    // By time: lines of different speakers overlap.
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
    // Scroll only the box, not the page.
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
      ? "Type over what is wrong; downloads include your corrections. Enter moves to the next line, Escape undoes the change."
      : "Click a word to hear it. Dotted underlines mark words of low confidence.";
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
      this.revert();
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

  startEditing(words) {
    const i = lineOf(words);
    if (i === null) return;
    this.before = { i, text: i in this.typing ? this.typing[i][0] : this.newest[i].typed };
    writing.set(this.id, { line: i });
  }

  edited(words) {
    const i = lineOf(words);
    if (i === null) return;
    this.put(i, normaliseSpaces(words.textContent));
    this.flushSoon();
    writing.set(this.id, { line: i, at: caret(words) });
  }

  focusLeft() {
    this.flush();
    // A redrawn line is no longer in the page, but its editor has not left it.
    setTimeout(() => {
      if (!this.box.isConnected || this.focused()) return;
      if (this.editing) writing.set(this.id, {});
      this.redraw();
    });
  }

  revert() {
    const { i, text } = this.before, line = this.newest[i];
    this.put(i, text);
    const element = this.lineElement(line, i);
    if (text === null && line.original !== null) element.querySelector(".words").textContent = line.original;
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
    else writing.set(this.id, { line, at });  // it may be redrawn before anything else is typed
  }

  // --- sending

  unsent() { return Object.keys(this.typing).length > 0; }

  put(i, text) {
    this.last = Math.max(Date.now(), this.last + 1);
    this.typing[i] = [text, this.last];
    store(this.inTab, this.typing);
  }

  flushSoon() {
    this.timer = this.timer || setTimeout(() => {
      this.timer = null;
      this.flush();
    }, SEND_EVERY_MS);
  }

  flush() {
    const typed = Object.entries(this.typing);
    if (!this.setState || !typed.length) return;
    const at = Math.max(...typed.map(([, [, editedAt]]) => editedAt));
    if (at === this.sent) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.sent = at;
    // Send every edit the server may lack: a quick second message replaces the first.
    this.setState("texts", { ...Object.fromEntries(typed.map(([i, [text]]) => [i, text])), at });
  }

  confirm(upTo) {
    const left = Object.entries(this.typing).filter(([, [, at]]) => at > upTo);
    this.typing = Object.fromEntries(left);
    store(this.inTab, this.typing);
    if (!left.length) this.release();
  }

  hold(event) {
    const button = event.target.closest && event.target.closest(`.st-key-${this.downloads} button`);
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
      const places = [];  // [first character, one after the last, element] of each word
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
    else this.root.querySelector(".count").textContent = wanted ? "No matches" : "";
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
    }).filter(Boolean).join("\n");
  }
}

function lineOf(words) {
  const line = words.closest && words.classList.contains("words") && words.closest(".line");
  return line ? Number(line.dataset.line) : null;
}

function normaliseSpaces(text) {
  const well = text.toWellFormed ? text.toWellFormed() : text;
  return well.replace(/\s+/g, " ").trimStart();
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
  // The server strips the trailing space after which the next word is typed.
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
  } catch {}  // storage is full or forbidden: the edits stay on the page only
}

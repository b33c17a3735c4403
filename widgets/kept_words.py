"""Final words kept in the browser's tab: they outlive the app's end and a page loaded anew.

The tab's own storage (``sessionStorage``) holds them; it ends with the tab, and no other
tab or page can read it. Nothing of it is sent to the app.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from widgets.clipboard import COPY_JS
from widgets.looks import BUTTON_CSS
from widgets.workspace import current_workspace

__all__ = ["KEEP_JS", "kept_words", "key_in_tab"]

_PREFIX = "asr-words/"

KEEP_JS = """
function keep(state, key, version, text) {
  if (state.kept === version) return;
  state.kept = version;
  const words = text();
  try { if (words) sessionStorage.setItem(key, JSON.stringify({ at: Date.now(), text: words })); }
  catch {}  // full, or forbidden: then they are on the page only
}
"""

_HTML = """
<section class="kept" aria-label="Kept words" hidden>
  <p>This page lost its connection to the app, or was loaded anew. The final words of your takes
    were kept in this tab, until you close it:</p>
  <div class="takes"></div>
  <div class="foot"><button type="button" class="copy">Copy</button><button type="button"
    class="save">Save</button><button type="button" class="forget">Forget</button></div>
</section>
"""

_CSS = """
:host { display: block; }
.kept { padding: .75rem 1rem; border-radius: .5rem; border: 1px solid var(--st-border-color);
  color: var(--st-text-color); line-height: 1.6; overflow-wrap: anywhere; }
.kept[hidden] { display: none; }
p { margin: 0 0 .5rem; }
.takes { max-height: 40vh; overflow-y: auto; white-space: pre-line; }
time { opacity: .65; font-size: .85em; }
.foot { display: flex; justify-content: flex-end; gap: .5rem; }
"""

_JS = """
export default function ({ data, parentElement: root }) {
  const $ = (selector) => root.querySelector(selector);
  const all = Object.keys(sessionStorage).filter((key) => key.startsWith(data.prefix));
  const isOurs = (key) => key.startsWith(data.session);
  all.filter((key) => isOurs(key) && !data.takes.includes(key)).forEach(forget);
  const old = all.filter((key) => !isOurs(key))
    .map((key) => ({ key, ...JSON.parse(sessionStorage.getItem(key)) }))
    .sort((one, other) => one.at - other.at);
  const text = old.map((take) => take.text).join("\\n\\n");
  $(".kept").hidden = !old.length;
  $(".takes").replaceChildren(...old.map(element));
  $(".copy").onclick = () => copy($(".copy"), text);
  $(".save").onclick = () => save(text);
  $(".forget").onclick = () => { old.forEach((take) => forget(take.key)); $(".kept").hidden = true; };
}

function forget(key) { sessionStorage.removeItem(key); }

function element(take) {
  const p = document.createElement("p"), time = document.createElement("time");
  time.textContent = "until " + new Date(take.at).toLocaleTimeString([], { timeStyle: "short" });
  p.append(time, "\\n", take.text);
  return p;
}

function save(text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text + "\\n"], { type: "text/plain" }));
  link.download = "kept-words.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
"""

_component = st.components.v2.component(
    "kept_words", html=_HTML, css=BUTTON_CSS + _CSS, js=_JS + COPY_JS
)


def key_in_tab(name: str) -> str:
    """Return where the tab keeps the words of the take ``name`` of this page's workspace."""
    return f"{_PREFIX}{current_workspace().id}/{name}"


def kept_words(names: Iterable[str]) -> None:
    """Show what the tab kept of workspaces that the server has no more, if there is anything.

    Args:
        names: the takes of this workspace; the words of others of it are forgotten.
    """
    takes = [key_in_tab(name) for name in names]
    _component(data={"prefix": _PREFIX, "session": key_in_tab(""), "takes": takes}, key="kept")

export function keep(state, key, version, text) {
  if (state.kept === version) return;
  state.kept = version;
  const words = text();
  try { if (words) sessionStorage.setItem(key, JSON.stringify({ at: Date.now(), text: words })); }
  catch {}  // storage is full or forbidden: the words stay on the page only
}

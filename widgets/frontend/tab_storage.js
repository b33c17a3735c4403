export function keep(state, key, version, text) {
  if (state.kept === version) return;
  state.kept = version;
  const words = text();
  try { if (words) sessionStorage.setItem(key, JSON.stringify({ at: Date.now(), text: words })); }
  catch {}  // full, or forbidden: then they are on the page only
}

"""Copying text to the clipboard, for the components that offer it."""

__all__ = ["COPY_JS"]

COPY_JS = """
async function copy(button, value) {
  let done = true;
  try { await navigator.clipboard.writeText(value); }
  catch {  // a page that is not on https has no clipboard
    const area = document.createElement("textarea");
    area.value = value;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.textContent = done ? "Copied" : "Copying was refused";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}
"""

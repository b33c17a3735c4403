export async function copy(button, value) {
  let done = true;
  try { await navigator.clipboard.writeText(value); }
  catch {  // no clipboard API without https
    const area = document.createElement("textarea");
    area.value = value;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.textContent = done ? "Copied" : "Copying was blocked";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// Copy buttons: [data-copy="text"] or [data-copy-from="id of an element"].
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return; // no permission, or no secure context: the text can still be selected
  }
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1200);
});

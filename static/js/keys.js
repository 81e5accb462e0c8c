// Keys: an element owns its shortcut ([data-key], one key or two in a row); pressing it does what clicking it does.
// Typing, open dialogs and modifiers switch them off; so does the box in the `?` sheet, which is remembered.
const OFF = "keys-off";
const PAUSE_MS = 900;
let first = "";
let firstAt = 0;

const box = document.getElementById("keys-on");
if (box) {
  box.checked = localStorage.getItem(OFF) === null;
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
}

function isTyping(target) {
  return target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}

export function mayUseKeys(event) {
  const isFree = !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  return isFree && !isTyping(event.target) && !document.querySelector("dialog[open]") && localStorage.getItem(OFF) === null;
}

function owner(keys) {
  return [...document.querySelectorAll(`[data-key="${CSS.escape(keys)}"]`)].find((el) => el.ariaDisabled !== "true");
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
  if (!mayUseKeys(event) || event.key.length > 1) return;
  const isSecond = first && event.timeStamp - firstAt < PAUSE_MS;
  const found = (isSecond && owner(`${first} ${event.key}`)) || owner(event.key);
  first = event.key;
  firstAt = event.timeStamp;
  if (!found) return;
  event.preventDefault();
  first = "";
  if (found.matches("input, textarea")) {
    found.focus();
    found.select();
  } else found.click();
});

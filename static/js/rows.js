// Lists: j and k walk along the rows' links, Enter opens (it is a link). The row in focus is kept over patches by its id.
import { mayUseKeys } from "./keys.js";

document.addEventListener("keydown", (event) => {
  if (!["j", "k"].includes(event.key) || !mayUseKeys(event)) return;
  const links = [...document.querySelectorAll("[data-row-link]")];
  if (!links.length) return;
  event.preventDefault();
  const here = links.indexOf(document.activeElement);
  const next = here < 0 ? (event.key === "j" ? 0 : links.length - 1) : here + (event.key === "j" ? 1 : -1);
  const link = links[Math.max(0, Math.min(links.length - 1, next))];
  link.focus({ preventScroll: true });
  link.closest("tr").scrollIntoView({ block: "nearest" });
});

// x selects the row, p shows it in brief.
document.addEventListener("keydown", (event) => {
  if (!["x", "p"].includes(event.key) || !mayUseKeys(event)) return;
  const row = event.target.closest?.("[data-rows] tr");
  const owned = row?.querySelector(event.key === "x" ? "[data-pick]" : ".peek-link");
  if (!owned) return;
  event.preventDefault();
  owned.click();
});

// The count of what is selected; a row that is patched stays selected.
function tellPicked() {
  const told = document.querySelector(".n-picked");
  if (told) told.textContent = document.querySelectorAll("[data-pick]:checked").length;
}
document.addEventListener("change", (event) => event.target.matches?.("[data-pick]") && tellPicked());
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  const was = event.detail.target.querySelector?.("[data-pick]");
  const will = event.detail.fragment.querySelector("[data-pick]");
  if (was?.checked && will) will.checked = true;
});
document.body.addEventListener("htmx:afterSettle", tellPicked);
tellPicked();

// The drawer: focus goes into it and back to the row; Escape closes it.
let peekedFrom = null;
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "peek") return;
  peekedFrom = event.detail.requestConfig?.elt?.closest("tr")?.id ?? null;
  history.replaceState(history.state, "", event.detail.pathInfo.requestPath);
  document.getElementById("peek").focus();
});

function closePeek(event) {
  const drawer = document.getElementById("peek");
  if (!drawer || drawer.hidden) return;
  event.preventDefault();
  drawer.hidden = true;
  const url = new URL(location.href);
  url.searchParams.delete("peek");
  history.replaceState(history.state, "", url);
  document.getElementById(peekedFrom)?.querySelector("[data-row-link]")?.focus();
}
document.addEventListener("click", (event) => event.target.closest("[data-peek-close]") && closePeek(event));
document.addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && closePeek(event));

// A click anywhere on a row opens it, as long as nothing is being selected.
document.addEventListener("click", (event) => {
  const row = event.target.closest("[data-rows] tr");
  if (!row || event.target.closest("a, button, input") || !getSelection().isCollapsed) return;
  row.querySelector("[data-row-link]")?.click();
});

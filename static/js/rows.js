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

// A click anywhere on a row opens it, as long as nothing is being selected.
document.addEventListener("click", (event) => {
  const row = event.target.closest("[data-rows] tr");
  if (!row || event.target.closest("a, button") || !getSelection().isCollapsed) return;
  row.querySelector("[data-row-link]")?.click();
});

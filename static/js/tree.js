// The execution tree: a treegrid with one tab stop, arrows, folds that are fetched when opened, and the inspector.
import { mayUseKeys } from "./keys.js";

const ROW = "[role=row][id]";
const theTree = () => document.getElementById("tree");

function rows() {
  return [...theTree().querySelectorAll(ROW)].filter((row) => row.offsetParent !== null);
}

function focusRow(row) {
  if (!row) return;
  for (const other of theTree().querySelectorAll('[role=row][tabindex="0"]')) other.tabIndex = -1;
  row.tabIndex = 0;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function inside(row) {
  return document.getElementById(row.id.startsWith("sf") ? `in-f${row.id.slice(2)}` : `in-${row.id.slice(1)}`);
}

function parentOf(row) {
  const box = row.parentElement.closest(".in");
  return box ? box.previousElementSibling : null;
}

async function fetchInto(url, place, how) {
  await htmx.ajax("GET", url, { target: place, swap: how });
}

async function open(row) {
  const button = row.querySelector("[data-fetch]");
  const box = inside(row);
  if (!box) return;
  if (button && !row.dataset.fetched) {
    row.dataset.closed = box.innerHTML;
    row.dataset.fetched = "1";
    await fetchInto(button.dataset.fetch, box, "innerHTML");
  }
  box.hidden = false;
  row.ariaExpanded = "true";
}

// A closed fold still shows what failed in it; anything else closed shows nothing.
function close(row) {
  const box = inside(row);
  if (!box) return;
  if (row.id.startsWith("sf") && row.dataset.fetched) {
    box.innerHTML = row.dataset.closed;
    htmx.process(box);
    delete row.dataset.fetched;
  } else box.hidden = true;
  row.ariaExpanded = "false";
}

function isOpen(row) {
  return row.ariaExpanded === "true";
}

export function inspect(url, push = true) {
  return htmx.ajax("GET", url, { target: "#inspector", swap: "outerHTML" }).then(() => {
    if (push) history.pushState({ htmx: true }, "", url);
    markSelected();
    if (matchMedia("(max-width: 1080px)").matches) {
      document.getElementById("inspector")?.scrollIntoView({ behavior: motion(), block: "start" });
      document.getElementById("inspector-title")?.focus({ preventScroll: true });
    }
  });
}

function motion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}

export function markSelected() {
  const tree = theTree();
  const seq = document.getElementById("inspector")?.dataset.seq;
  for (const row of tree?.querySelectorAll('[aria-selected="true"]') ?? []) row.ariaSelected = "false";
  const row = document.getElementById(`s${seq}`);
  if (row) row.ariaSelected = "true";
  if (tree) tree.dataset.selected = seq;
  for (const link of document.querySelectorAll("#next-error, #previous-error")) {
    const url = new URL(link.href);
    url.searchParams.set("from", seq);
    link.href = url;
  }
}

function plain(event) {
  return event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
}

document.addEventListener("click", (event) => {
  if (!theTree() || !plain(event)) return;
  const link = event.target.closest("#tree .nm > a, a[data-inspect]");
  const row = event.target.closest(`#tree ${ROW}`);
  const more = event.target.closest("[data-more]");
  if (more) {
    event.preventDefault();
    fetchInto(more.dataset.more, more.closest("[role=row]"), "outerHTML");
  } else if (event.target.closest(".open")) {
    (isOpen(row) ? close : open)(row);
    focusRow(row);
  } else if (link) {
    event.preventDefault();
    if (row) focusRow(row);
    inspect(link.href);
  } else if (row && getSelection().isCollapsed) {
    focusRow(row);
    const own = row.querySelector(".nm > a");
    if (own) inspect(own.href);
    else (isOpen(row) ? close : open)(row);
  }
});

const MOVES = {
  ArrowDown: (all, here) => all[here + 1],
  ArrowUp: (all, here) => all[here - 1],
  Home: (all) => all[0],
  End: (all) => all.at(-1),
};

document.addEventListener("keydown", (event) => {
  const row = event.target.closest(`#tree ${ROW}`);
  if (!row || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = rows();
  if (event.key in MOVES) focusRow(MOVES[event.key](all, all.indexOf(row)));
  else if (event.key === "ArrowRight") row.ariaExpanded === "false" ? open(row) : isOpen(row) && focusRow(all[all.indexOf(row) + 1]);
  else if (event.key === "ArrowLeft") isOpen(row) ? close(row) : focusRow(parentOf(row));
  else if (event.key === "Enter" || event.key === " ") (row.querySelector(".nm > a") ?? row.querySelector(".open"))?.click();
  else return;
  event.preventDefault();
});

// Arrows anywhere else on the page enter the tree, so that it can be walked at once.
document.addEventListener("keydown", (event) => {
  const tree = theTree();
  if (!tree || !["ArrowDown", "ArrowUp"].includes(event.key) || !mayUseKeys(event) || event.target !== document.body) return;
  event.preventDefault();
  focusRow(tree.querySelector('[role=row][aria-selected="true"]') ?? rows()[0]);
});

// One row is in the tab order: the selected one, else the first.
export function keepTabStop() {
  const tree = theTree();
  if (!tree || tree.querySelector('[role=row][tabindex="0"]')) return;
  const row = tree.querySelector('[role=row][aria-selected="true"]') ?? tree.querySelector(ROW);
  if (row) row.tabIndex = 0;
}

// Back and forward between steps: the page of that address, as the server draws it.
window.addEventListener("popstate", () => theTree() && location.reload());
keepTabStop();
document.body.addEventListener("htmx:afterSettle", keepTabStop);
if (location.pathname.includes("/steps/")) {
  theTree()?.querySelector('[role=row][aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
}

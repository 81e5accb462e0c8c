// The palette (Ctrl K or ⌘ K): what this page can do, where one can go, and what the server finds for the letters typed.
const dialog = document.getElementById("palette");
const field = document.getElementById("palette-q");
const list = document.getElementById("palette-list");
const WAIT_MS = 150;
const HERE = ".tabs a, .head .acts a, .head .acts button, .insp .ways a, [data-key]";
const GO = ".rail .room, .rail .settings, .rail .me button, .rail .me a";
let timer = 0;
let asked = 0;
let found = []; // what the server answered, for the letters it was asked for

const words = (el) => {
  if (el.dataset.palette) return el.dataset.palette;
  const copy = el.cloneNode(true);
  for (const mark of copy.querySelectorAll("kbd, .n, [aria-hidden=true]")) mark.remove();
  return (copy.textContent.trim() || el.title || el.ariaLabel || el.placeholder || "").replace(/\s+/g, " ");
};

function commands(selector, group) {
  const seen = new Set();
  const isThere = (el) => el.checkVisibility() && el.ariaDisabled !== "true" && !dialog.contains(el) && !el.closest("dialog");
  return [...document.querySelectorAll(selector)].filter(isThere).flatMap((el) => {
    const name = words(el);
    if (!name || seen.has(name)) return [];
    seen.add(name);
    return [{ name, group, keys: el.dataset.key ?? "", run: () => (el.matches("input, textarea") ? el.focus() : el.click()) }];
  });
}

function matches(name, typed) {
  const text = name.toLowerCase();
  return typed.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

function options() {
  const typed = field.value.trim();
  const go = commands(GO, list.dataset.wordsGo);
  const known = new Set(go.map((one) => one.name));
  const here = commands(HERE, list.dataset.wordsHere).filter((one) => !known.has(one.name));
  return [...here, ...go].filter((one) => matches(one.name, typed)).slice(0, typed ? 8 : 14).concat(found);
}

let shown = [];
function draw() {
  shown = options();
  list.replaceChildren();
  let group = "";
  shown.forEach((one, index) => {
    if (one.group !== group) list.append(Object.assign(document.createElement("li"), { className: "group", role: "presentation", textContent: (group = one.group) }));
    const item = Object.assign(document.createElement("li"), { id: `palette-${index}`, role: "option" });
    if (one.node) item.append(one.node.cloneNode(true));
    else item.append(Object.assign(document.createElement("span"), { textContent: one.name }));
    for (const key of one.keys?.split(" ").filter(Boolean) ?? []) item.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    list.append(item);
  });
  if (!shown.length) list.append(Object.assign(document.createElement("li"), { className: "group", role: "presentation", textContent: list.dataset.wordsNone }));
  choose(0);
}

let at = 0;
function choose(index) {
  at = shown.length ? (index + shown.length) % shown.length : 0;
  list.querySelectorAll("[role=option]").forEach((el, n) => (el.ariaSelected = String(n === at)));
  const item = document.getElementById(`palette-${at}`);
  if (!item) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

async function ask() {
  const mine = ++asked;
  const url = new URL(field.dataset.find, location.href);
  url.searchParams.set("q", field.value.trim());
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true", "HX-Target": "palette-found" } });
    if (!answer.ok || mine !== asked || !dialog.open) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    found = [...made.querySelectorAll(".hit")].map((hit) => {
      const node = document.createElement("span");
      node.className = "hit";
      node.append(...hit.childNodes);
      return { name: words(node), group: list.dataset.wordsFound, run: () => (location.href = hit.getAttribute("href")), node };
    });
    const kept = at;
    draw();
    choose(Math.min(kept, Math.max(0, shown.length - 1)));
  } catch {
    found = []; // the pages and commands are there without a connection
  }
}

function run(index) {
  const one = shown[index];
  const typed = field.value.trim();
  dialog.close();
  if (one) one.run();
  else if (typed) location.href = `${list.dataset.search}?q=${encodeURIComponent(typed)}`;
}

function open() {
  if (!dialog.open) dialog.showModal();
  field.value = "";
  found = [];
  draw();
  ask();
}

if (dialog) {
  document.addEventListener("keydown", (event) => {
    const isPalette = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k";
    if (!isPalette || document.querySelector("dialog[open]:not(#palette)")) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else open();
  });
  document.getElementById("palette-open")?.addEventListener("click", () => setTimeout(open));
  field.addEventListener("input", () => {
    found = [];
    draw();
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") choose(at + 1);
    else if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "Enter") run(at);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (item) run(Number(item.id.replace("palette-", "")));
  });
}

// Live pages. A hint over the websocket says only *that* something changed; the page fetches its regions with its own
// session. Without a socket it asks every three seconds and says how old what it shows is.
import { keepTabStop, markSelected } from "./tree.js";

const FAST_MS = 300; // head, inspector, log: at most ~3 a second
const SLOW_MS = 1000; // the tree, the list
const MAP_MS = 5000;
const POLL_MS = 3000;
const RESYNC_MS = 45000;
const SAY_MS = 5000;
const THINNEST = 0.7; // percent, as the server draws it
const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

const light = document.getElementById("live");
const topic = light?.dataset.state === "still" ? "" : light?.dataset.topic;
const changed = new Set(); // runs of the list that hints named
let socket = null;
let tries = 0;
let asOf = new Date();

/* ---- what is asked for, and how often ---- */

const due = new Map(); // job → timer
const last = new Map(); // job → when it ran

function soon(job, gap) {
  if (due.has(job)) return;
  const wait = Math.max(0, gap - (performance.now() - (last.get(job) ?? -gap)));
  due.set(job, setTimeout(() => {
    due.delete(job);
    last.set(job, performance.now());
    job();
  }, wait));
}

function refreshRegions() {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (!isBusy(region)) htmx.trigger(region, "refresh");
  }
}

// What somebody is reading in, typing in or selecting is left alone.
function isBusy(region) {
  const picked = getSelection();
  const isPicking = !picked.isCollapsed && region.contains(picked.anchorNode);
  return isPicking || region.querySelector("input:focus, textarea:focus") !== null;
}

// A fold that somebody opened at the end of the tree is not taken away under their eyes: what is new is offered.
function mayAppend(tail) {
  return isFollowing() && !tail.querySelector("[role=row][data-fetched]") && !isBusy(tail);
}

function refreshTree() {
  const tail = document.getElementById("tail");
  if (!tail?.hasAttribute("data-tail")) return;
  if (mayAppend(tail)) htmx.trigger(tail, "refresh");
  else offerNew(tail);
}

function refreshList() {
  const list = document.querySelector("[data-patch]");
  if (!list) return;
  const shown = [...list.querySelectorAll("[data-run]")].map((row) => row.dataset.run);
  const wanted = shown.filter((id) => changed.has(id) || changed.has("*"));
  changed.clear();
  const url = new URL(list.dataset.patch, location.href);
  if (wanted.length) url.searchParams.set("ids", wanted.join(","));
  if ("first" in list.dataset) url.searchParams.set("since", list.dataset.since);
  if (!shown.length && "first" in list.dataset) {
    htmx.ajax("GET", location.href, { target: "#runs", swap: "outerHTML" }); // the first run appears by itself
  } else htmx.ajax("GET", url.pathname + url.search, { target: "#newer", swap: "none" });
}

function refreshMap() {
  const map = document.querySelector("#minimap[data-slow]");
  if (map) htmx.trigger(map, "refresh");
}

// What is chosen must be seen even inside a fold; without a choice it is the server's to say what matters.
document.body.addEventListener("htmx:configRequest", (event) => {
  const isTree = event.target.closest?.("#tree");
  if (isTree && location.pathname.includes("/steps/")) event.detail.parameters.selected = document.getElementById("tree").dataset.selected;
});

function refreshAll() {
  changed.add("*");
  onHint();
}

function onHint() {
  soon(refreshRegions, FAST_MS);
  soon(refreshTree, SLOW_MS);
  soon(refreshList, SLOW_MS);
  soon(refreshMap, MAP_MS);
}

/* ---- the socket ---- */

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/hints`);
  socket.addEventListener("open", () => {
    tries = 0;
    socket.send(JSON.stringify({ subscribe: topic }));
  });
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.subscribed) {
      show("live");
      refreshAll(); // what happened while nobody listened
    } else if (message.topic) {
      changed.add(message.topic.replace("run:", ""));
      onHint();
    }
  });
  socket.addEventListener("close", (event) => {
    show("polling");
    if (event.code === 4403 || event.code === 4401) return; // refused: asking again would not help, polling does
    setTimeout(connect, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
  });
}

function isListening() {
  return light?.dataset.state === "live";
}

function show(state) {
  if (!light || light.dataset.state === "still") return;
  light.dataset.state = state;
  paint();
}

function paint() {
  if (!light || !["live", "polling"].includes(light.dataset.state)) return;
  const words = light.dataset.state === "live" ? light.dataset.wordsLive : `${light.dataset.wordsPolling} ${asOf.toLocaleTimeString([], { hour12: false })}`;
  document.getElementById("live-words").textContent = words;
}

/* ---- follow, new steps ---- */

const follow = document.getElementById("follow");
follow?.addEventListener("click", () => {
  follow.ariaPressed = String(!isFollowing());
  if (isFollowing()) refreshTree();
});

function isFollowing() {
  return follow?.ariaPressed === "true";
}

function offerNew(tail) {
  const now = Number(document.getElementById("run-head")?.dataset.steps ?? 0);
  const n = now - Number(tail.dataset.steps ?? now);
  let offer = document.getElementById("offer");
  if (n <= 0) return;
  if (!offer) {
    offer = document.getElementById("offer-shape").content.firstElementChild.cloneNode(true);
    tail.after(offer);
    offer.querySelector("button").addEventListener("click", () => {
      const asked = document.getElementById("tail");
      asked.dataset.asked = "1";
      htmx.trigger(asked, "refresh");
    });
  }
  offer.querySelector("span").textContent = n.toLocaleString("en");
}

/* ---- after a swap ---- */

const kept = new Map(); // region id → what was open and how far it was scrolled

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const region = event.detail.target;
  if (region?.id === "tail" && !region.dataset.asked && !mayAppend(region)) {
    event.detail.shouldSwap = false; // opened while the answer was under way
    return;
  }
  if (!region?.hasAttribute?.("data-keep")) return;
  kept.set(region.id, {
    seq: region.dataset.seq,
    top: region.scrollTop,
    open: [...region.querySelectorAll("details[data-k]")].filter((el) => el.open).map((el) => el.dataset.k),
  });
});

document.body.addEventListener("htmx:afterSettle", (event) => {
  const region = document.getElementById(event.detail.target?.id ?? "");
  const was = region && kept.get(region.id);
  if (was && was.seq === region.dataset.seq) {
    region.scrollTop = was.top;
    for (const k of was.open) region.querySelector(`details[data-k="${CSS.escape(k)}"]`)?.setAttribute("open", "");
  }
  if (region) kept.delete(region.id);
});

document.body.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful) return;
  asOf = new Date();
  paint();
});

document.body.addEventListener("htmx:afterSwap", (event) => {
  const id = event.detail.target?.id;
  if (id === "tail") afterTail();
  if (id === "run-head") afterHead();
  if (id === "inspector") markSelected();
});

// The axis grows while a run lives: bars that are drawn already move by the common factor; when it changed its
// shape (a new idle time was folded), the tree is drawn anew.
function afterTail() {
  const tree = document.getElementById("tree");
  const tail = document.getElementById("tail");
  document.getElementById("offer")?.remove();
  markSelected();
  keepTabStop();
  if (!tree || !tail) return;
  if (tail.dataset.shape !== tree.dataset.shape) return redrawTree(tree, tail);
  for (const chunk of tree.querySelectorAll(".chunk")) rescale(chunk, tail.dataset.axis);
}

function redrawTree(tree, tail) {
  tree.dataset.shape = tail.dataset.shape; // asked for once, also when what was opened is left as it is
  if (tree.querySelector("[role=row][data-fetched]") || isBusy(tree)) return;
  htmx.ajax("GET", location.pathname, { target: "#tree", select: "#tree", swap: "outerHTML" });
}

function rescale(chunk, axis) {
  const factor = Number(chunk.dataset.axis) / Number(axis);
  if (factor === 1) return;
  for (const bar of chunk.querySelectorAll(".wf rect")) {
    for (const name of ["x", "width"]) {
      const least = name === "width" ? THINNEST : 0;
      bar.setAttribute(name, `${Math.max(least, parseFloat(bar.getAttribute(name)) * factor).toFixed(2)}%`);
    }
  }
  chunk.dataset.axis = axis;
}

let saidAt = -SAY_MS;
let said = document.getElementById("run-head")?.dataset.say ?? "";

function afterHead() {
  const head = document.getElementById("run-head");
  const tail = document.getElementById("tail");
  if (tail?.hasAttribute("data-tail") && !mayAppend(tail)) offerNew(tail);
  const sentence = head?.dataset.say ?? "";
  if (sentence && sentence !== said && performance.now() - saidAt > SAY_MS) {
    document.getElementById("say").textContent = said = sentence;
    saidAt = performance.now();
  }
  if (head?.hasAttribute("data-still") && light && light.dataset.state !== "still") {
    refreshTree();
    light.dataset.state = "still";
    document.getElementById("live-words").textContent = light.dataset.wordsStill;
    follow?.remove();
    soon(refreshMap, SLOW_MS);
    socket?.close();
  }
}

/* ---- begin ---- */

if (topic) {
  connect();
  setInterval(() => light.dataset.state !== "still" && !document.hidden && !isListening() && refreshAll(), POLL_MS);
  setInterval(() => light.dataset.state !== "still" && !document.hidden && refreshAll(), RESYNC_MS);
  document.addEventListener("visibilitychange", () => !document.hidden && light.dataset.state !== "still" && refreshAll());
}

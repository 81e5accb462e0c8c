// The desk: a decision is tried at once, and made five seconds later unless it is taken back. Edits show as they are typed.
const UNDO_MS = 5000;
let pending = null;

const say = (text) => (document.getElementById("say").textContent = text);

function edits(form) {
  return [...form.querySelectorAll("[data-args] .input, [data-args] input[type=checkbox]")].filter((el) => {
    if (el.type === "checkbox") return el.checked !== el.defaultChecked;
    if (el.matches("select")) return [...el.options].some((option) => option.selected !== option.defaultSelected && (option.defaultSelected || option.value));
    return el.value !== el.defaultValue;
  });
}

function mark(form) {
  const changed = edits(form);
  for (const field of form.querySelectorAll("[data-args] .field")) {
    const el = changed.find((one) => field.contains(one));
    field.classList.toggle("changed", Boolean(el));
    field.querySelector(".was")?.remove();
    if (!el || el.type === "checkbox") continue;
    const was = document.createElement("span");
    was.className = "was";
    was.textContent = ` · edited, was “${(el.defaultValue ?? [...el.options].find((option) => option.defaultSelected)?.label ?? "").slice(0, 80)}”`;
    field.querySelector("label")?.append(was);
  }
  const button = form.querySelector("[data-edited]");
  if (button) button.querySelector("span").textContent = changed.length ? button.dataset.edited.replace("%d", changed.length) : button.dataset.label;
}

function toast(text, isBad) {
  document.querySelector(".undo")?.remove();
  const box = document.createElement("div");
  box.className = isBad ? "undo bad" : "undo";
  box.setAttribute("role", isBad ? "alert" : "status");
  const words = document.createElement("p");
  words.textContent = text;
  box.append(words);
  document.body.append(box);
  return box;
}

function post(url, body, keepalive = false) {
  const headers = { "X-Undo": "1", "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"] };
  return fetch(url, { method: "POST", body, headers, keepalive, redirect: "manual" });
}

async function make() {
  const made = pending;
  if (!made) return;
  pending = null;
  clearTimeout(made.timer);
  document.querySelector(".undo")?.remove();
  const answer = await post(made.url, made.body, true).catch(() => null);
  if (answer?.ok) say("Done");
  else toast(`Not done: ${answer ? await problem(answer) : "the server cannot be reached"} (${made.title})`, true);
}

async function problem(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("[role=alert] b")?.textContent ?? `error ${answer.status}`;
}

function undo() {
  if (!pending) return;
  clearTimeout(pending.timer);
  const { url } = pending;
  pending = null;
  document.querySelector(".undo")?.remove();
  say("Undone");
  show(url.replace(/\/decide(\?|$)/, "$1"));
}

function show(url) {
  return window.htmx.ajax("GET", url, { target: "#desk", swap: "outerHTML", source: "#desk" }).then(() => history.replaceState({}, "", url));
}

async function decide(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  body.set("confirmed", "1");
  await make();
  const rehearsal = new URLSearchParams(body);
  rehearsal.set("rehearse", "1");
  form.inert = true;
  const answer = await post(form.action, rehearsal).catch(() => null);
  form.inert = false;
  if (!answer?.ok) return refused(answer);
  pending = { url: form.getAttribute("action"), body, title: form.dataset.title, id: form.closest("[data-case]").dataset.case };
  const box = toast(`${button.textContent.replace(/\s+\S$/, "").trim()}: ${form.dataset.title}`, false);
  const back = document.createElement("button");
  back.className = "btn small";
  back.dataset.key = "u";
  back.setAttribute("aria-keyshortcuts", "u");
  back.textContent = "Undo (u)";
  back.addEventListener("click", undo);
  box.append(back);
  pending.timer = setTimeout(make, UNDO_MS);
  show(form.dataset.next);
}

async function refused(answer) {
  if (!answer) return toast("The server cannot be reached. Nothing was done.", true);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const desk = page.getElementById("desk");
  if (!desk) return toast(`Nothing was done (error ${answer.status}).`, true);
  document.getElementById("desk").replaceWith(document.adoptNode(desk));
  window.htmx.process(desk);
  desk.querySelector("[aria-invalid=true], [role=alert]")?.scrollIntoView({ block: "center" });
  desk.querySelector("[aria-invalid=true]")?.focus();
}

function dress() {
  const field = document.querySelector("[data-args] .input");
  if (field) field.dataset.key = "i";
  if (pending) document.querySelector(`[data-request="${CSS.escape(pending.id)}"]`)?.classList.add("leaving");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-decide]") || !event.submitter) return;
  event.preventDefault();
  if (event.submitter.value === "reject" && !form.elements.reason.value.trim()) form.elements.reason.focus();
  else decide(form, event.submitter);
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-decide]");
  if (form) mark(form);
});
document.addEventListener("toggle", (event) => event.target.matches("details.act") && event.target.open && event.target.querySelector("textarea, select")?.focus(), true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const place = event.target.closest("details.act, [data-decide]");
  const button = place?.querySelector("button.danger, button.primary, button.btn:not([type=button])");
  if (!place || !button) return;
  event.preventDefault();
  button.click();
});
document.addEventListener("htmx:afterSettle", dress);
window.addEventListener("pagehide", make);
dress();

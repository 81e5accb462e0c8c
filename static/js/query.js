// The query bar: suggestions while typing. Enter searches unless one of them is chosen by the arrows; Tab takes the first.
const field = document.getElementById("q");
const WAIT_MS = 120;
let timer = 0;
let asked = 0;

const list = () => document.getElementById("suggest");
const options = () => [...list().querySelectorAll("[role=option]")];
const chosen = () => options().findIndex((option) => option.ariaSelected === "true");

function close() {
  clearTimeout(timer);
  asked++;
  list().hidden = true;
  field.ariaExpanded = "false";
  field.removeAttribute("aria-activedescendant");
}

async function ask() {
  const mine = ++asked;
  const url = new URL(field.dataset.suggest, location.href);
  url.searchParams.set("q", field.value);
  url.searchParams.set("at", field.selectionStart);
  try {
    const answer = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (!answer.ok || mine !== asked || document.activeElement !== field) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("suggest");
    if (!made) return;
    list().replaceWith(made);
    made.hidden = made.children.length === 0;
    field.ariaExpanded = String(!made.hidden);
  } catch {
    close(); // no suggestions without a connection
  }
}

function choose(index) {
  const all = options();
  all.forEach((option, n) => (option.ariaSelected = String(n === index)));
  const option = all[index];
  if (!option) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function take(option) {
  const { start, end } = list().dataset;
  const text = option.dataset.insert + ("keyOnly" in option.dataset ? "" : " ");
  field.setRangeText(text, Number(start), Number(end), "end");
  close(); // an Enter that comes before the next suggestions searches
  field.focus();
  ask();
}

if (field?.dataset.suggest) {
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  field.addEventListener("focus", () => (timer = setTimeout(ask, WAIT_MS)));
  field.addEventListener("blur", () => setTimeout(close, 150)); // a click on an option comes first
  field.form.addEventListener("submit", close);
  field.addEventListener("keydown", (event) => {
    if (list().hidden || event.isComposing) return;
    const all = options();
    if (event.key === "ArrowDown") choose((chosen() + 1) % all.length);
    else if (event.key === "ArrowUp") choose(chosen() > 0 ? chosen() - 1 : all.length - 1);
    else if (event.key === "Tab" && !event.shiftKey && all.length) take(all[Math.max(0, chosen())]);
    else if (event.key === "Enter" && chosen() >= 0) take(all[chosen()]);
    else if (event.key === "Escape") {
      close();
      event.stopPropagation();
    } else return;
    event.preventDefault();
  });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest("#suggest [role=option]");
    if (!option) return;
    event.preventDefault();
    take(option);
  });
}

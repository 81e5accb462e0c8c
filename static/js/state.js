// The state page: the scrubber fetches the state of the checkpoint it stands at; keys of the tree open their place.
const LAZY_MS = 120;
const slider = document.getElementById("scrub-at");
let due = 0;
let asked = 0;

const view = () => document.getElementById("state-view");
const isPlain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;

async function fetchInto(url, target) {
  const mine = ++asked;
  await htmx.ajax("GET", url, { target, swap: "outerHTML" });
  if (mine !== asked) return;
  history.replaceState({ htmx: true }, "", url);
  settle();
}

// Where the page now stands: the slider, its words, the hidden place of its form, and the key that is chosen.
function settle() {
  const { seq, last } = view().dataset;
  if (slider && document.activeElement !== slider) slider.value = seq;
  tell(seq, last);
  const at = new URL(location.href).searchParams.get("at");
  for (const key of document.querySelectorAll(".state a.key")) {
    if (at !== null && new URL(key.href).searchParams.get("at") === at) key.setAttribute("aria-current", "true");
    else key.removeAttribute("aria-current");
  }
}

function tell(seq, last) {
  if (!slider) return;
  slider.form.querySelector("output").textContent = `${seq} / ${last}`;
  slider.setAttribute("aria-valuetext", seq);
}

function addressOf(seq) {
  const url = new URL(location.href);
  url.searchParams.set("seq", seq);
  return url.pathname + url.search;
}

slider?.addEventListener("input", () => {
  tell(slider.value, slider.max);
  clearTimeout(due);
  due = setTimeout(() => fetchInto(addressOf(slider.value), "#state-view"), LAZY_MS);
});

// An arrow goes to the next checkpoint, not to the next number: most steps leave none.
slider?.addEventListener("keydown", (event) => {
  const rel = { ArrowLeft: "prev", ArrowDown: "prev", ArrowRight: "next", ArrowUp: "next" }[event.key];
  if (!rel) return;
  event.preventDefault();
  const link = view().querySelector(`a[rel=${rel}][href]`);
  if (link) fetchInto(link.href, "#state-view").then(() => { slider.value = view().dataset.seq; });
});

document.addEventListener("click", (event) => {
  if (!view() || !isPlain(event)) return;
  const scrub = event.target.closest("a[data-scrub]");
  const key = event.target.closest(".state a.key, a[data-place]");
  if (!scrub && !key) return;
  event.preventDefault();
  const rel = scrub?.rel;
  fetchInto((scrub ?? key).href, scrub ? "#state-view" : "#place").then(() => {
    if (rel) view().querySelector(`a[rel=${rel}]`)?.focus({ preventScroll: true });
  });
});

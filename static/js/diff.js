// The differences of two states: next and previous change, by the links in the bar and their keys.
const cards = () => [...document.querySelectorAll(".diff-card")];

function here(all) {
  const focused = all.indexOf(document.activeElement?.closest?.(".diff-card"));
  return focused >= 0 ? focused : all.findIndex((card) => `#${card.id}` === location.hash);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-walk]");
  const all = cards();
  if (!link || !all.length || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const next = here(all) + Number(link.dataset.walk);
  show(all[(next + all.length) % all.length] ?? all[0]);
});

function show(card) {
  history.replaceState(history.state, "", `#${card.id}`);
  card.scrollIntoView({ block: "start" });
  card.focus({ preventScroll: true });
  mark();
}

function mark() {
  for (const link of document.querySelectorAll(".diff-places a")) {
    if (link.hash === location.hash) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", mark);
if (document.querySelector(".diff-places")) mark();

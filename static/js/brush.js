// The chart of the list: a bar is a link to its time; dragging over several bars leads to the time of all of them.
let from = null;
let to = null;

const bars = () => [...document.querySelectorAll("#overview .chart a")];

function paint() {
  const all = bars();
  const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
  all.forEach((bar, n) => bar.classList.toggle("brushed", from !== null && first !== last && n >= first && n <= last));
}

document.addEventListener("pointerdown", (event) => {
  const bar = event.target.closest?.("#overview .chart a");
  if (!bar || event.button !== 0) return;
  from = to = bar;
});

document.addEventListener("pointermove", (event) => {
  if (!from) return;
  to = document.elementFromPoint(event.clientX, event.clientY)?.closest("#overview .chart a") ?? to;
  paint();
});

document.addEventListener("pointerup", () => {
  if (!from) return;
  const all = bars();
  const [first, last] = [from, to].sort((a, b) => all.indexOf(a) - all.indexOf(b));
  const isRange = first !== last;
  from = to = null;
  if (!isRange) return paint();
  const url = new URL(first.getAttribute("href"), location.href);
  const rest = first.closest("svg").dataset.brush;
  url.searchParams.set("q", `${rest} created:${first.dataset.since}..${last.dataset.until}`.trim());
  location.assign(url);
});

// A drag is no click, and no dragging of a link either.
document.addEventListener("dragstart", (event) => event.target.closest?.("#overview .chart") && event.preventDefault());

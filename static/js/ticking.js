// Durations that go on counting: [data-ticking] holds the seconds that had passed when the server wrote it.
const began = new WeakMap();

function words(seconds) {
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 48 * 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function tick() {
  if (document.hidden) return;
  for (const el of document.querySelectorAll("[data-ticking]")) {
    if (!began.has(el)) began.set(el, performance.now());
    el.textContent = words(Number(el.dataset.ticking) + (performance.now() - began.get(el)) / 1000);
  }
}

setInterval(tick, 1000);

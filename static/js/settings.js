// The settings page: the browser knows its own zone.
const zone = document.getElementById("my-zone");
if (zone) {
  zone.hidden = false;
  zone.addEventListener("click", () => (document.getElementById("time_zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone));
}

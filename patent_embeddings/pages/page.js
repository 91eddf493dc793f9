// Draws every picture of the page as wide as its place: panels side by side, or one below the other.
const charts = JSON.parse(document.getElementById("charts").textContent);

function fitted(spec, width) {
  const copy = structuredClone(spec);
  const rows = copy.data.values;
  if (copy.facet) {
    const panels = new Set(rows.map((row) => row[copy.facet.field])).size;
    copy.columns = Math.min(panels, width < 720 ? 1 : copy.columns);
    const labels = 110, gap = copy.columns > 1 ? 20 : 0;
    copy.spec.width = Math.min(560, (width - labels) / copy.columns - gap);
  } else {
    copy.width = width - 80;
  }
  if (width < 720) {
    copy.config.legend = { ...copy.config.legend, columns: 1, layout: { bottom: { direction: "vertical", anchor: "start" } } };
  }
  return copy;
}

async function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = charts[place.dataset.chart];
    await vegaEmbed(place, fitted(spec, place.clientWidth), { actions: false, renderer: "svg" });
    place.dataset.drawn = "true";
  }
}

let width = window.innerWidth, pending;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return;
  width = window.innerWidth;
  clearTimeout(pending);
  pending = setTimeout(draw, 200);
});
draw();

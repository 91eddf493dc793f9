// Draws every picture of the page as wide as its place: panels side by side, or one below the other. Saves pictures.
const charts = JSON.parse(document.getElementById("charts").textContent);
const NARROW = 720, WIDEST = 560;  // of a page whose panels are one below the other, and of a panel

// Numbers in the fields of a matrix need their room: a narrow page scrolls the picture.
const least = (spec) => spec.usermeta?.least ?? 100;

function fitted(spec, width) {
  const copy = structuredClone(spec);
  const rows = copy.data.values;
  if (copy.facet) {
    const panels = new Set(rows.map((row) => row[copy.facet.field])).size;
    copy.columns = Math.min(panels, width < NARROW ? 1 : copy.columns);
    const labels = 110, gap = copy.columns > 1 ? 20 : 0;
    copy.spec.width = Math.max(least(spec), Math.min(WIDEST, (width - labels) / copy.columns - gap));
  } else {
    copy.width = width - 80;
  }
  if (width < NARROW) {
    copy.config.header = { ...copy.config.header, labelFontSize: 11, labelExpr: "split(datum.label, ', ')" }; // a line each
    copy.config.legend = { ...copy.config.legend, columns: 1, layout: { bottom: { direction: "vertical", anchor: "start" } } };
  }
  return copy;
}

// Draws a picture as wide as it may be. How wide the words left of it are is known only once they are drawn.
async function embedded(place, spec, width) {
  const fit = fitted(spec, width), options = { actions: false, renderer: "svg" };
  const panel = fit.facet ? fit.spec : fit;
  const found = await vegaEmbed(place, fit, options);
  const spare = (width - place.querySelector("svg").width.baseVal.value) / (fit.facet ? fit.columns : 1);
  if (spare >= 0 && spare < 20) return found.view;
  panel.width = Math.max(least(spec), Math.min(panel.width + Math.floor(spare), fit.facet ? WIDEST : width));
  return (await vegaEmbed(place, fit, options)).view;
}

async function draw() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    const { role, ariaLabel } = place;
    await embedded(place, charts[place.dataset.chart], place.clientWidth);
    Object.assign(place, { role, ariaLabel }); // one picture with its caption, not hundreds of marks
    place.querySelector("svg").ariaHidden = "true";
    place.dataset.drawn = "true";
  }
}

// The picture as it stands, on white whatever the page is on.
async function svg(place) {
  const onWhite = JSON.parse(JSON.stringify(charts[place.dataset.chart]).replaceAll("currentColor", "#1c2430"));
  const spec = { ...onWhite, background: "white", padding: 12 };
  return (await embedded(document.createElement("div"), spec, place.clientWidth)).toSVG();
}

// Rows as CSV; text that a spreadsheet would run is led by an apostrophe, as `handover.spreadsheet` has it.
function commaSeparated(rows) {
  const heads = [...new Set(rows.flatMap(Object.keys))];
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const text = value.replace(/\r\n?/g, "\n");
    const run = /^[=+\-@\t\n＝＋－＠]/.test(text) && text.length > 1 && Number.isNaN(Number(text.trim() || NaN));
    const safe = run ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [heads, ...rows.map((row) => heads.map((head) => row[head]))].map((line) => line.map(cell).join(",") + "\n").join("");
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.addEventListener("click", async ({ target }) => {
  const place = target.closest("[data-save]")?.closest("figure").querySelector("[data-chart]");
  if (!place) return;
  const name = place.dataset.chart;
  if (target.closest("[data-save]").dataset.save === "svg") save(`${name}.svg`, "image/svg+xml", await svg(place));
  else save(`${name}.csv`, "text/csv", commaSeparated(charts[name].data.values));
});

let width = window.innerWidth, pending;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return;
  width = window.innerWidth;
  clearTimeout(pending);
  pending = setTimeout(draw, 200);
});
draw();

// The query browser: search, filter, sort and open the test queries of one cell or of two.
// Texts are not trusted: they reach the page as text nodes only.
const PAGE = 50;
const root = document.querySelector(".failures");
const form = root.querySelector("form");
const dialog = root.querySelector("dialog");
const box = root.querySelector(".box");
const one = (name) => root.querySelector(`[data-${name}]`);
const counted = one("counted");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

async function unpacked(id) {
  const letters = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place); // ten times `from`
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

if (!("DecompressionStream" in window)) {
  counted.textContent = "This browser is too old to unpack the queries.";
  throw new Error("no DecompressionStream");
}
const data = await unpacked("failures");
const { landscapes, systems, families, metric } = data;
const best = (query) => data.best[query.landscape];
const start = (text) => (text.length > 90 ? `${text.slice(0, 90)}…` : text);
const titled = (thing) => thing.title || start(thing.text) || "(no title)";
const whole = (number) => number.toLocaleString("en");
const score = (value) => (value === null ? "–" : value.toFixed(3));
const signed = (value) =>
  value === null ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(3)}`;
const outcome = (query, system) => query.outcome[system] ?? null;
const address = (query) => `#query/${encodeURIComponent(landscapes[query.landscape])}/${encodeURIComponent(query.id)}`;

// Equal ones stand worst first, then in the order of the data.
const queries = [...data.queries].sort((a, b) => outcome(a, best(a)) - outcome(b, best(b)));
const byAddress = new Map(queries.map((query) => [address(query), query]));
let [first, second] = data.compared;
let sorted = { by: "difference", sign: 1 };
let shown = queries;
let page = 0;

function difference(query) {
  const [from, to] = [outcome(query, first), outcome(query, second)];
  return from === null || to === null ? null : to - from;
}

const columns = [
  { by: "query", name: "Query", of: (query) => query.title || query.text || null, text: true },
  ...systems.map((system) => ({ by: `of ${system}`, name: system, of: (query) => outcome(query, system), show: score })),
  { by: "difference", name: "Difference", of: difference, show: signed },
  { by: "relevant", name: "Relevant", of: (query) => query.relevant.length + query.left_out, show: whole, descending: true },
  { by: "words", name: "Words", of: (query) => query.words, show: whole, descending: true },
];

function about(...texts) {
  return element("span", { class: "about", dir: "auto" }, texts.filter(Boolean).join(" · "));
}

// Search and filters.
let lowered; // made when first searched for: most readers never do

function searched(words) {
  if (!words.length) return () => true;
  const low = (...texts) => texts.join(" ").toLowerCase();
  lowered ??= {
    families: families.map((one) => low(one.title, one.text, one.publication, one.id)),
    queries: new Map(queries.map((one) => [one, low(one.title, one.text, one.id, ...one.codes)])),
  };
  const found = words.map((word) => families.map((_, place) => lowered.families[place].includes(word)));
  const beside = (query) => [...query.relevant, ...query.wrong];
  return (query) => words.every((word, number) =>
    lowered.queries.get(query).includes(word) || beside(query).some((hit) => found[number][hit.family]));
}

const OUTCOMES = {
  failed: (query) => outcome(query, best(query)) === 0,
  lost: (query) => difference(query) !== null && difference(query) < 0,
  won: (query) => difference(query) !== null && difference(query) > 0,
  even: (query) => difference(query) === 0,
};

function kept(wanted) {
  const tests = [searched(wanted.words.toLowerCase().split(/\s+/).filter(Boolean))];
  if (wanted.outcome) tests.push(OUTCOMES[wanted.outcome]);
  if (wanted.landscape) tests.push((query) => landscapes[query.landscape] === wanted.landscape);
  if (wanted.scope) tests.push((query) => query.relevant.some((hit) => hit.scope === wanted.scope));
  if (wanted.class) tests.push((query) => (query.ipc.length ? query.ipc : ["none"]).includes(wanted.class));
  if (wanted.jurisdiction) tests.push((query) => (query.jurisdiction || "unknown") === wanted.jurisdiction);
  if (wanted.fewest) tests.push((query) => query.words >= Number(wanted.fewest));
  if (wanted.most) tests.push((query) => query.words <= Number(wanted.most));
  return queries.filter((query) => tests.every((test) => test(query)));
}

const collator = new Intl.Collator("en", { numeric: true });

function ordered(rows) {
  const { of, text } = columns.find((column) => column.by === sorted.by);
  const compare = text ? collator.compare : (a, b) => a - b;
  const keyed = rows.map((query) => [of(query), query]);
  keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sorted.sign * compare(a, b)));
  return keyed.map(([, query]) => query);
}

function options(name, pairs) {
  const select = form.elements[name];
  const chosen = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  if (pairs.some(([value]) => value === chosen)) select.value = chosen;
}

function tallied(name, valuesOf, all) {
  const tally = new Map();
  for (const query of queries) {
    for (const value of valuesOf(query)) tally.set(value, (tally.get(value) ?? 0) + 1);
  }
  const pairs = [...tally].sort(([a], [b]) => collator.compare(a, b));
  options(name, [["", all], ...pairs.map(([value, count]) => [value, `${value} (${whole(count)})`])]);
  form.elements[name].closest("label").hidden = pairs.length < 2;
}

function explain() {
  one("explained").textContent =
    `Each row is a test query with its ${metric}. Difference is ${second} less ${first}; the largest loss comes ` +
    "first. Open a query to read it next to its relevant families and the best wrong hits.";
  options("outcome", [
    ["", "all"],
    ["failed", "failed: best system scores 0"],
    ["lost", `lost: ${second} below ${first}`],
    ["won", `won: ${second} above ${first}`],
    ["even", "equal"],
  ]);
}

// The list.
function head() {
  const heads = columns.map((column) => {
    const button = element("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      const again = sorted.by === column.by;
      sorted = { by: column.by, sign: again ? -sorted.sign : column.descending ? -1 : 1 };
      update();
    });
    const made = element("th", { scope: "col", role: "columnheader" }, button);
    if (!column.text) made.className = "number";
    return made;
  });
  root.querySelector("thead tr").replaceChildren(...heads);
}

function row(query) {
  const open = element("a", { href: address(query), dir: "auto" }, titled(query));
  const place = landscapes.length > 1 && landscapes[query.landscape];
  const cells = columns.slice(1).map((column) => {
    const value = column.of(query);
    const made = element("td", { role: "cell", class: "number", "data-name": column.name }, column.show(value));
    if (column.by === "difference" && value) made.classList.add(value < 0 ? "lost" : "won");
    return made;
  });
  const name = element("th", { scope: "row", role: "rowheader" }, open,
    about(query.id, place, query.ipc.join(", "), query.jurisdiction));
  return element("tr", { role: "row" }, name, ...cells);
}

function show() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  page = Math.min(page, pages - 1);
  const rows = shown.slice(page * PAGE, (page + 1) * PAGE);
  root.querySelector("tbody").replaceChildren(...rows.map(row));
  root.querySelectorAll("thead th").forEach((each, number) => {
    each.ariaSort = columns[number].by !== sorted.by ? "none" : sorted.sign > 0 ? "ascending" : "descending";
  });
  one("page").textContent = rows.length
    ? `${whole(page * PAGE + 1)} to ${whole(page * PAGE + rows.length)} of ${whole(shown.length)}`
    : "no query passes these filters";
  for (const button of root.querySelectorAll("[data-turn]")) {
    const wanted = page + Number(button.dataset.turn);
    button.ariaDisabled = String(wanted < 0 || wanted >= pages);
  }
}

function update() {
  shown = ordered(kept(Object.fromEntries(new FormData(form))));
  counted.textContent = shown.length === queries.length
    ? `${whole(shown.length)} queries`
    : `${whole(shown.length)} of ${whole(queries.length)} queries`;
  page = 0;
  box.scrollTop = 0;
  show();
}

function turn(by) {
  if (by < 0 ? page === 0 : (page + 1) * PAGE >= shown.length) return;
  page += by;
  box.scrollTop = 0;
  show();
}

// One query, opened: the address of the page says which, so that it can be sent to somebody.
let opened = null;

function marked(text, groups) {
  const sets = groups.map(([name, words]) => [name, new Set(words)]);
  return text.split(/([\p{L}\p{N}_]+)/u).map((part) => {
    const group = sets.find(([, words]) => words.has(part.toLowerCase()));
    return group ? element("mark", { class: group[0] }, part) : part;
  });
}

// Most views begin with the title, which stands above the text already.
function body({ title, text }, groups) {
  const rest = title && text.startsWith(title) ? text.slice(title.length).trim() : text;
  return element("p", { class: "text", dir: "auto" }, ...marked(rest, groups));
}

function linked(family) {
  const text = family.publication || family.id;
  const url = URL.canParse(family.url) ? new URL(family.url) : null;
  if (!["http:", "https:"].includes(url?.protocol)) return text;
  return element("a", { href: url.href, rel: "noreferrer", target: "_blank" }, text);
}

function listed(name, pairs) {
  const rows = pairs.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text)));
  return element("div", { class: "values" }, element("p", {}, name), element("dl", {}, ...rows));
}

const badge = (text, kind = "") => element("span", { class: `mark ${kind}` }, text);
const CUT = "probably cut"; // by its number of letters: `queries.Texts.cut`
const SCOPES = { in: "IN", out: "OUT", unknown: "scope unknown: one of the two has no code" };

function asked(query) {
  const family = query.family === null ? null : families[query.family];
  const shared = (hits) => hits.flatMap((hit) => hit.words);
  const groups = [["right", shared(query.relevant)], ["wrong", shared(query.wrong)]];
  const cut = query.cut || [...query.relevant, ...query.wrong].some((hit) => hit.cut);
  const alike = query.relevant.flatMap((hit) => hit.codes); // codes, or the subclasses and classes that they lie in
  const codes = query.codes.flatMap((code) =>
    [alike.some((one) => code.startsWith(one)) ? element("mark", { class: "right" }, code) : code, " "]);
  return [
    element("h3", { id: "failure", dir: "auto", tabindex: "-1" }, ...marked(titled(query), groups)),
    element("p", { class: "about" }, family ? linked(family) : query.id, " · ",
      [landscapes[query.landscape], query.jurisdiction, query.date, `${whole(query.words)} words`].filter(Boolean).join(" · ")),
    ...(query.cut ? [badge(CUT)] : []),
    listed(`${metric}:`, systems.map((system) => [system, score(outcome(query, system))])),
    body(query, groups),
    element("p", { class: "about" }, "Codes: ", ...(codes.length ? codes : ["none"])),
    element("p", { class: "about" }, "Marked: ", element("mark", { class: "right" }, "shared with a relevant family"), ", ",
      element("mark", { class: "wrong" }, "with a wrong hit only"), `. Texts are excerpts.${cut ? " Probably cut: by its number of letters too long for the model to read its end." : ""}`),
  ];
}

function card(hit, kind, graded) {
  const family = families[hit.family];
  const badges = kind === "right"
    ? [badge(SCOPES[hit.scope], hit.scope), ...(graded ? [badge(`relevance ${hit.relevance}`)] : [])]
    : [badge("not relevant")];
  if (hit.cut) badges.push(badge(CUT));
  const ranks = systems.map((system) => [system, hit.ranks[system] == null ? "–" : whole(hit.ranks[system])]);
  return element("article", { class: kind },
    element("h5", { dir: "auto" }, ...marked(titled(family), [[kind, hit.words]])),
    element("p", { class: "about" }, linked(family), " · ",
      [family.jurisdiction, family.date, family.ipc.join(", ") || "no class"].filter(Boolean).join(" · ")),
    element("p", { class: "badges" }, ...badges),
    listed("Rank:", ranks),
    body(family, [[kind, hit.words]]),
    element("p", { class: "about" },
      `Shared words, rarest first: ${hit.words.join(", ") || "none"}. Shared codes: ${hit.codes.join(", ") || "none"}.`));
}

function open(query) {
  opened = query;
  const { relevant } = query;
  const graded = relevant.some((hit) => hit.relevance !== 1);
  dialog.querySelector(".asked").replaceChildren(...asked(query));
  const whose = data.wrong_of[query.landscape].join(" and ");
  const more = query.left_out ? ` The first ${whole(relevant.length)} are shown.` : "";
  dialog.querySelector(".found").replaceChildren(
    element("h4", {}, `Relevant families: ${whole(relevant.length + query.left_out)}`),
    element("p", { class: "about" }, `Ranks by system; a dash: not in its list.${more}`),
    ...relevant.map((hit) => card(hit, "right", graded)),
    element("h4", {}, query.wrong.length ? `Best wrong hits of ${whose}` : `No wrong hit of ${whose}`),
    ...query.wrong.map((hit) => card(hit, "wrong", false)),
  );
  const place = shown.indexOf(query);
  one("position").textContent = place < 0
    ? "Query outside the filters"
    : `Query ${whole(place + 1)} of ${whole(shown.length)}`;
  for (const button of dialog.querySelectorAll("[data-step]")) {
    button.ariaDisabled = String(place < 0 || !shown[place + Number(button.dataset.step)]);
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.querySelector("h3").focus();
}

function step(by) {
  const place = shown.indexOf(opened);
  const next = place < 0 ? undefined : shown[place + by];
  if (next) location.replace(address(next));
}

function follow() {
  const query = byAddress.get(location.hash);
  if (query) open(query);
  else if (dialog.open) dialog.close();
  const absent = !query && location.hash.startsWith("#query/");
  one("absent").textContent = absent ? "The query in the address is not on this page." : "";
  if (absent) one("absent").scrollIntoView({ block: "center" });
}

dialog.addEventListener("close", () => {
  if (byAddress.has(location.hash)) history.pushState(null, "", location.pathname + location.search);
  const place = shown.indexOf(opened);
  if (place >= 0) {
    page = Math.floor(place / PAGE);
    show();
    root.querySelectorAll("tbody a")[place % PAGE].focus();
  }
  opened = null;
});
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
for (const button of dialog.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
for (const button of root.querySelectorAll("[data-turn]")) {
  button.addEventListener("click", () => turn(Number(button.dataset.turn)));
}
window.addEventListener("hashchange", follow);

let pending;
form.addEventListener("input", (event) => {
  const { name, value } = event.target;
  if (name === "first") first = value;
  if (name === "second") second = value;
  if (name === "first" || name === "second") explain();
  clearTimeout(pending);
  pending = setTimeout(update, name === "words" ? 120 : 0);
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => {
  [first, second] = data.compared;
  // The form itself is reset after its event.
  setTimeout(() => {
    compare();
    update();
  });
});

function compare() {
  for (const [name, chosen] of [["first", first], ["second", second]]) {
    options(name, systems.map((system) => [system, system]));
    form.elements[name].value = chosen;
    form.elements[name].closest("label").hidden = systems.length < 3;
  }
  explain();
}

tallied("landscape", (query) => [landscapes[query.landscape]], "all");
tallied("class", (query) => (query.ipc.length ? query.ipc : ["none"]), "all");
tallied("jurisdiction", (query) => [query.jurisdiction || "unknown"], "all");
one("sampled").textContent = data.sampled ?? "";
head();
compare();
update();
form.querySelector("details").open = window.innerWidth > 640; // a narrow window shows the list first
performance.mark("failures");
follow();

// What is listed, in its order, as a file: `page.js` saves it.
one("listed").addEventListener("click", () => {
  const row = (query) => ({
    landscape: landscapes[query.landscape], query: query.id, title: query.title, ...query.outcome,
    difference: difference(query), relevant: query.relevant.length + query.left_out, words: query.words,
    jurisdiction: query.jurisdiction, date: query.date, classes: query.ipc.join("; "),
  });
  save("queries.csv", "text/csv", commaSeparated(shown.map(row)));
});

// Draw a folded picture when it is unfolded: before that its place has no width.
for (const fold of document.querySelectorAll("details.folded")) {
  fold.addEventListener("toggle", () => {
    const [now, before] = fold.open ? ["chart", "folded"] : ["folded", "chart"];
    for (const place of fold.querySelectorAll(`[data-${before}]`)) {
      place.dataset[now] = place.dataset[before];
      delete place.dataset[before];
    }
    if (fold.open) draw();
  });
}

// Tables that sort by a column and filter by words.
for (const block of document.querySelectorAll(".sortable")) {
  const body = block.querySelector("tbody");
  const rows = [...body.rows];
  const heads = [...block.querySelectorAll("thead th")];
  const count = block.querySelector("[aria-live]");

  const value = (row, column) => row.cells[column].dataset.sort;
  const order = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      // Numbers sort from the highest first.
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const wanted = head.ariaSort === first ? other : first;
      heads.forEach((each) => { each.ariaSort = "none"; });
      head.ariaSort = wanted;
      const sign = wanted === "ascending" ? 1 : -1;
      const filled = rows.filter((row) => value(row, column) !== "");
      const empty = rows.filter((row) => value(row, column) === "");
      filled.sort((a, b) => sign * order(value(a, column), value(b, column)));
      body.append(...filled, ...empty);
    });
  });

  block.querySelector("input").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
}

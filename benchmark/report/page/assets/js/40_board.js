// The leaderboard: columns, sorting, filters, pages.

const PAGE_ROWS = 100;
const BAR = { width: 84, height: 14, pad: 5 };

const gainName = () => {
  const base = referenceOf(state.table);
  return base ? `Gain over ${base.label}` : "Gain";
};

/** Columns: how they sort (null last), and what a cell holds. "first": the first direction. */
const COLUMNS = [
  { key: "label", name: "Method", first: "ascending", value: (row) => row.label.toLowerCase() },
  { key: "low", name: "Rank", first: "ascending", number: true, cell: rankCell,
    value: (row) => (row.low === null ? null : row.low * 1e6 + row.high) },
  { key: "letters", name: "Letters", first: "ascending", value: (row) => row.letters || null,
    cell: (row) => row.letters || NONE },
  { key: "all", name: "All ± 95 %", number: true, cell: allCell },
  { key: "gain", name: gainName, number: true, cell: gainCell },
  ...["many", "medium", "few"].map((key) => ({
    key, name: capital(key), number: true, cell: (row) => percent(row[key]),
  })),
  { key: "seeds", name: "Seeds", number: true },
  { key: "track", name: "Track", first: "ascending", value: (row) => TRACKS.indexOf(row.track),
    cell: (row) => [trackMark(row.track), row.track] },
  { key: "budget", name: "Budget", first: "ascending", value: (row) => row.budget },
  { key: "ece", name: "ECE", first: "ascending", number: true, cell: (row) => percent(row.ece) },
  { key: "added", name: "Images added", first: "ascending", number: true,
    cell: (row) => integer(row.added) },
  { key: "calls", name: "Network calls", first: "ascending", number: true, cell: callsCell },
  { key: "train", name: "Train\u00a0s", first: "ascending", number: true,
    cell: (row) => (row.train / 10).toFixed(1) },
  { key: "hash", name: "Experiment", first: "ascending", cell: (row) => el("code", {}, row.hash) },
];

const columnName = (column) =>
  (typeof column.name === "function" ? column.name() : column.name);

const strongIfFirst = (row, text) => (row.low === 1 ? el("strong", {}, text) : text);

function rankCell(row) {
  if (row.low !== null) return [trackMark(row.track), strongIfFirst(row, rankRange(row))];
  return el("span", { title: "Unranked: fewer than three seeds" }, NONE, unseen(" unranked"));
}

function allCell(row) {
  return el("span", { class: "all" },
    strongIfFirst(row, estimate(row.all, row.width)), intervalBar(row));
}

function gainCell(row) {
  if (row.hash === state.table.reference) return "reference";
  if (!row.differs) return difference(row.gain, row.gainWidth);
  return [difference(row.gain, row.gainWidth), el("span", { class: "star", title: "Significant" },
    el("span", { "aria-hidden": "true" }, "*"), unseen(" significant"))];
}

function callsCell(row) {
  if (row.calls === null) return "not stated";
  if (!row.odd) return integer(row.calls);
  return [integer(row.calls), el("span", { title: "Not the number predicted" }, " †")];
}

/** The sign of a track: shape and colour, never colour alone. */
function trackMark(track) {
  return svg("svg", { class: "mark", width: 12, height: 12, "aria-hidden": "true" },
    svg("path", { class: `t-${track}`, d: shape(SHAPES[track], 6, 6, 4.4) }));
}

/** The scale that all interval bars of a table share. */
function barScale(table) {
  if (table.scale) return table.scale;
  const rows = rowsOf(table);
  const low = Math.min(...spread(rows, -1));
  const high = Math.max(...spread(rows, 1));
  const step = high - low > 2000 ? 1000 : 500;
  const from = Math.max(0, Math.floor(low / step) * step);
  const to = Math.min(10000, Math.ceil(high / step) * step);
  return (table.scale = { from, to: Math.max(to, from + step) });
}

const spread = (rows, sign) => rows.slice(0, 20000)
  .map((row) => Math.min(10000, Math.max(0, row.all + sign * Math.min(row.width ?? 0, 1500))));

function intervalBar(row) {
  const { from, to } = barScale(state.table);
  const inside = BAR.width - 2 * BAR.pad;
  const at = (value) =>
    (BAR.pad + (Math.min(to, Math.max(from, value)) - from) / (to - from) * inside).toFixed(1);
  const y = BAR.height / 2;
  const base = referenceOf(state.table);
  return svg("svg", { class: "bar", width: BAR.width, height: BAR.height, "aria-hidden": "true" },
    svg("line", { class: "bar-scale", x1: BAR.pad, x2: BAR.width - BAR.pad, y1: y, y2: y }),
    base && svg("line", { class: "bar-base", x1: at(base.all), x2: at(base.all), y1: 0,
      y2: BAR.height }),
    row.width !== null && svg("line", { class: `bar-width l-${row.track}`,
      x1: at(row.all - row.width), x2: at(row.all + row.width), y1: y, y2: y }),
    svg("path", { class: `t-${row.track}`, d: shape(SHAPES[row.track], +at(row.all), y, 3.6) }));
}

/** Rows in the chosen order; ties stay in order of rank, and what is not known comes last. */
function sorted(rows) {
  const { key, descending } = state.sort;
  if (key === "place") return rows;
  const column = COLUMNS.find((each) => each.key === key);
  const value = column.value ?? ((row) => row[key]);
  const sign = descending ? -1 : 1;
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([first, a], [second, b]) => {
    if (first === null || second === null) {
      return (first === null) - (second === null) || a.place - b.place;
    }
    return first < second ? -sign : first > second ? sign : a.place - b.place;
  });
  return keyed.map(([, row]) => row);
}

function sortBy(column) {
  const same = state.sort.key === column.key;
  const descending = same ? !state.sort.descending : column.first !== "ascending";
  state.sort = { key: column.key, descending };
  state.page = 0;
  drawRows();
  announce(`Sorted by ${columnName(column)}, ${descending ? "descending" : "ascending"}`);
}

function drawHead() {
  const cells = COLUMNS.map((column) => el("th", {
    scope: "col", class: column.number && "number", "data-key": column.key,
  }, el("button", { type: "button", onclick: () => sortBy(column) }, columnName(column),
    el("span", { class: "arrow", "aria-hidden": "true" })),
  column.key === "all" && scaleNote()));
  byId("board").tHead.replaceChildren(el("tr", {}, cells));
}

function scaleNote() {
  const { from, to } = barScale(state.table);
  return el("span", { class: "scale", title: "Scale of the bars; the line is the reference" },
    el("span", {}, `${from / 100}`), el("span", {}, `${to / 100}`));
}

function boardRow(row) {
  const [first, ...others] = COLUMNS;
  const cells = others.map((column) => el("td", { class: column.number && "number" },
    column.cell ? column.cell(row) : `${row[column.key]}`));
  return el("tr", { "data-hash": row.hash, class: row.low === null && "unranked" },
    el("th", { scope: "row", "data-key": first.key },
      el("span", { class: "name" }, chooser(row), opener(row))), cells);
}

const chooser = (row) => el("input", {
  type: "checkbox", checked: state.chosen.includes(row.hash),
  "aria-label": `Show ${row.label} in the curves`, title: "Show in the curves below",
  onchange: (event) => { choose(row.hash, event.target.checked); syncChoice(); drawTail(); },
});

const opener = (row) => el("button", {
  type: "button", class: "open", title: "Run details", onclick: () => go(state.table.id, row.hash),
}, strongIfFirst(row, breakable(row.label)));

/** A choice beyond the most drops the oldest one: show that in the boxes. */
function syncChoice() {
  for (const line of byId("board").tBodies[0].rows) {
    line.querySelector("input").checked = state.chosen.includes(line.dataset.hash);
  }
}

function drawRows() {
  const rows = sorted(shownRows());
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
  state.page = Math.min(state.page, pages - 1);
  const from = state.page * PAGE_ROWS;
  const part = state.wholeTable ? rows : rows.slice(from, from + PAGE_ROWS);
  byId("board").tBodies[0].replaceChildren(...part.map(boardRow));
  for (const cell of byId("board").tHead.rows[0].cells) markSort(cell);
  drawCount(rows.length);
  drawPager(pages, from, part.length, rows.length);
}

function markSort(cell) {
  const active = cell.dataset.key === state.sort.key;
  if (active) cell.setAttribute("aria-sort", state.sort.descending ? "descending" : "ascending");
  else cell.removeAttribute("aria-sort");
}

function drawCount(count) {
  const all = rowsOf(state.table).length;
  const hidden = count < all ? " Ranks are those of the whole table." : "";
  byId("count").textContent = `${integer(count)} of ${plural(all, "row")} shown.${hidden}`;
}

function drawPager(pages, from, shown, count) {
  const pager = byId("pager");
  pager.hidden = pages < 2;
  byId("page-words").textContent =
    `Rows ${integer(from + 1)} to ${integer(from + shown)} of ${integer(count)}`;
  byId("page-back").disabled = state.page === 0;
  byId("page-on").disabled = state.page === pages - 1;
}

function turnPage(by) {
  state.page += by;
  drawRows();
  byId("board").closest(".scroll").scrollTop = 0;
  announce(byId("page-words").textContent);
}

/** Arrow keys walk along the names, Home and End jump. */
function walk(event) {
  const name = event.target.closest("button.open");
  if (!name) return;
  const names = [...byId("board").querySelectorAll("button.open")];
  const at = names.indexOf(name);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: names.length - 1 }[event.key];
  if (next === undefined || !names[next]) return;
  event.preventDefault();
  names[next].focus();
}

/** A click anywhere on a row opens it, unless it hit a control or selected text. */
function clickRow(event) {
  if (event.target.closest("button, input, a") || String(getSelection())) return;
  const line = event.target.closest("tr[data-hash]");
  if (line) go(state.table.id, line.dataset.hash);
}

// The controls above the leaderboard.

function drawControls() {
  const rows = rowsOf(state.table);
  options(byId("component"), [...new Set(rows.flatMap((row) => row.components))].sort(), "any");
  options(byId("budget"), [...new Set(rows.map((row) => row.budget))].sort(), "any");
  const present = new Set(rows.map((row) => row.track));
  byId("tracks").replaceChildren(...TRACKS.filter((track) => present.has(track)).map(trackBox));
  byId("search").value = state.text;
  byId("ranked").checked = state.ranked;
  byId("seeds").value = state.minSeeds;
}

function options(select, values, none) {
  select.replaceChildren(el("option", { value: "" }, none),
    ...values.map((value) => el("option", { value }, value)));
}

const trackBox = (track) => el("label", { class: "check" },
  el("input", { type: "checkbox", name: "track", value: track, checked: state.tracks.has(track),
    onchange: (event) => filterTrack(track, event.target.checked) }),
  trackMark(track), track);

function filterTrack(track, on) {
  if (on) state.tracks.add(track);
  else state.tracks.delete(track);
  filtered();
}

function filtered() {
  state.page = 0;
  drawRows();
  drawCost();
}

function set(key, value) {
  state[key] = value;
  filtered();
}

function resetFilters() {
  const { chosen, table } = state;
  chooseTable(table);
  state.chosen = chosen;
  drawControls();
  filtered();
}

function pickTable(id) {
  history.replaceState(null, "", `#${id}`);
  showTable(tableById(id));
}

/** Everything that depends on the table. */
function showTable(table) {
  chooseTable(table);
  byId("table").value = table.id;
  drawControls();
  drawSetting();
  drawHead();
  drawRows();
  later(drawCost);
  later(drawTail);
}

/** Title, what all rows share, and who leads. */
function drawSetting() {
  const table = state.table;
  byId("board-title").textContent = table.title;
  byId("facts").replaceChildren(...table.facts.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  byId("glance").tBodies[0].replaceChildren(...table.glance.map(glanceRow));
  byId("board-files").textContent = `leaderboards/tables/${table.file}.md and .csv`;
}

function glanceRow([track, label, ...cells]) {
  const hash = cells.pop();
  const open = () => go(state.table.id, hash);
  return el("tr", {}, el("th", { scope: "row" }, trackMark(track), track),
    el("td", {}, el("button", { type: "button", class: "open", onclick: open }, label)),
    cells.map((cell, at) => el("td", { class: at !== 1 && "number" }, minus(cell))));
}

function wireControls() {
  const on = (id, kind, act) => byId(id).addEventListener(kind, act);
  byId("table").replaceChildren(...data.tables.map((table) =>
    el("option", { value: table.id }, `${table.title} (${plural(table.rows.length, "row")})`)));
  on("table", "change", (event) => pickTable(event.target.value));
  on("component", "change", (event) => set("component", event.target.value));
  on("budget", "change", (event) => set("budget", event.target.value));
  on("search", "input", (event) => set("text", event.target.value));
  on("ranked", "change", (event) => set("ranked", event.target.checked));
  on("seeds", "input", (event) => set("minSeeds", Number(event.target.value) || 1));
  on("reset", "click", resetFilters);
  on("page-back", "click", () => turnPage(-1));
  on("page-on", "click", () => turnPage(1));
  on("board", "keydown", walk);
  on("board", "click", clickRow);
}

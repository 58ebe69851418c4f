// Run details: one dialog for rows of leaderboards and cells of grids.

/** Open a row by its address; the address stays in the bar, so it can be shared. */
function go(place, hash) {
  const target = `#${place}/${hash}`;
  if (location.hash === target) openAt(place, hash);
  else location.hash = target;
}

/** Follow the address: "#table" picks a table, "#table/hash" or "#grid-name/hash" opens a row. */
function route() {
  const [place, hash] = addressed();
  const table = tableById(place);
  if (table && table !== state.table) showTable(table);
  if (hash) openAt(place, hash);
  else if (byId("detail").open) byId("detail").close();
}

/** The parts of the address; one that is no address has none. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1)).split("/");
  } catch {
    return [""];
  }
}

function openAt(place, hash) {
  const table = tableById(place);
  const grid = gridById(place);
  const rows = table ? rowsOf(table) : grid ? entriesOf(grid) : [];
  const row = rows.find((each) => each.hash === hash);
  if (row) openDetail(row, table ? table.title : grid.title, table);
  else announce(`No row ${hash} on this page`);
}

function openDetail(row, where, table) {
  const found = detailOf(row);
  byId("detail-title").textContent = row.label;
  byId("detail-where").textContent = where;
  byId("detail-body").replaceChildren(
    headline(row), commandsPart(found), runsPart(found), tailPart(row, found, table),
    stackPart(found), ...found.facts.map(factsPart), machinesPart(found));
  const dialog = byId("detail");
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

const part = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);

function headline(row) {
  const pairs = [
    ["All", estimate(row.all, row.width)],
    ["Many", estimate(row.many, row.manyWidth)],
    ["Medium", estimate(row.medium, row.mediumWidth)],
    ["Few", estimate(row.few, row.fewWidth)],
    ["Seeds", `${row.seeds}`],
    ["Rank", row.low === null ? "unranked" : `${rankRange(row)} ${row.letters}`],
  ];
  if (row.gain !== null) pairs.push(["Gain", gainWords(row)]);
  const pool = row.onePool && el("p", { class: "note" },
    "All seeds share one pool of images: the interval is conditional on it.");
  return el("div", {}, el("dl", { class: "figures" }, pairs.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value)))), pool || null);
}

function gainWords(row) {
  const said = row.differs ? "significant" : "not significant";
  const won = row.pairs ? `, higher in ${row.wins} of ${row.pairs} common seeds` : "";
  return `${difference(row.gain, row.gainWidth)} (${said}${won})`;
}

function commandsPart(found) {
  const lines = found.commands.map((text, at) => el("li", {},
    el("span", { class: "seed" }, `seed ${found.runs[at].seed}`),
    commandLine(text, `Copy the command of seed ${found.runs[at].seed}`)));
  return part("The exact commands", el("ol", { class: "commands" }, lines),
    lines.length > 1 && copyButton(found.commands.join("\n"), "Copy all", "Copy all commands"));
}

const RUN_COLUMNS = [
  ["Seed", (run) => `${run.seed}`],
  ["All", (run) => percent(run.all)],
  ["Many", (run) => percent(run.many)],
  ["Medium", (run) => percent(run.medium)],
  ["Few", (run) => percent(run.few)],
  ["ECE", (run) => percent(run.ece)],
  ["Train s", (run) => (run.train / 10).toFixed(1)],
  ["Made", (run) => run.created.slice(0, 10)],
  ["Code", (run) => el("code", { title: run.code }, run.code.slice(0, 10))],
  ["Machine", (run) => `${run.machine + 1}`],
  ["Predictions", (run) => el("code", {}, run.predictions)],
];

function runsPart(found) {
  const head = RUN_COLUMNS.map(([name]) => el("th", { scope: "col" }, name));
  const lines = found.runs.map((run) => el("tr", {}, RUN_COLUMNS.map(([, cell], at) =>
    at ? el("td", {}, cell(run)) : el("th", { scope: "row" }, cell(run)))));
  const caption = "Accuracies in percent. Code: commit. Predictions: first digits of the SHA-256 "
    + "of the file that every metric follows from.";
  return part("Every seed", scroller("Every seed", el("table", { class: "plain" },
    el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, lines))));
}

function tailPart(row, found, table) {
  const places = table ? table.places : placesOf(found);
  const series = [{ row, found }];
  const box = el("div", { class: "chart" });
  // the dialog has no width before it is shown
  requestAnimationFrame(() =>
    box.replaceChildren(tailChart(widthOf(box), places, series, "detail")));
  return part("Along the tail", box, tailNumbers(places, series), imagesNumbers(places, found));
}

/** Places for a row outside the tables: its own images, no shot groups. */
const placesOf = (found) =>
  ({ counts: found.images[0], groups: found.images[0].map(() => ""), names: null, each: 1 });

function imagesNumbers(places, { images }) {
  const lines = places.counts.map((count, at) => [`${at + 1}`,
    places.names ? places.names[at] : "by seed", `${images[0][at]}`, `${images[1][at]}`]);
  return tableBehind("Images in training, from the largest class to the smallest",
    ["Place", "Class", "Real", "Added"], lines, "Images in training, as a table");
}

function stackPart(found) {
  const head = ["Component", "Version", "From", "Settings"];
  const lines = found.stack.map(([name, version, origin, settings]) => el("tr", {},
    el("th", { scope: "row" }, name), el("td", {}, version), el("td", {}, origin),
    el("td", {}, el("code", { class: "wrap" }, settings))));
  return part("Stack", scroller("Stack", el("table", { class: "plain words" },
    el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, lines))));
}

const pairsOf = (list) =>
  list.flatMap((name, at) => (at % 2 ? [] : [[name, list[at + 1]]]));

const factsPart = ([title, ...list]) => part(title, factList(list));

const factList = (list) => el("dl", { class: "list" },
  pairsOf(list).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

function machinesPart(found) {
  const numbers = [...new Set(found.runs.map((run) => run.machine))];
  return part("Machines and versions", ...numbers.map((number) => el("details", {},
    el("summary", {}, `Machine ${number + 1}`), factList(machine(number)))));
}

function closeDetail() {
  if (!location.hash.includes("/")) return;
  const place = location.hash.slice(1).split("/")[0];
  history.replaceState(null, "", tableById(place) ? `#${place}` : "#grids");
}

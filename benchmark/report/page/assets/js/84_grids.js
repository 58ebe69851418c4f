// Grids: curves with bands, heat maps whose cells open, and what is still missing.

function drawGrids() {
  for (const grid of data.grids) drawGrid(grid);
}

function drawGrid(grid) {
  const box = byId(`grid-${grid.name}`).querySelector(".grid-body");
  const measure = grid.measure ?? (grid.measure = hasGains(grid) ? "gain" : "all");
  const parts = [measurePicker(grid)];
  if (grid.curves.length) parts.push(...curveParts(grid, widthOf(box), measure));
  else if (grid.columns.length > 1) parts.push(heatMap(grid, measure), heatKey(measure));
  else parts.push(gridList(grid));
  box.replaceChildren(...parts.filter(Boolean), ...missing(grid));
}

/** Whether gains are taken to a column: then they are what the grid is about. */
const hasGains = (grid) => !grid.curves.length && grid.columns.includes(grid.plain);

function measurePicker(grid) {
  if (!grid.curves.length && grid.columns.length < 2) return null;
  const names = { all: "All", few: "Few" };
  if (hasGains(grid)) names.gain = `Gain over ${grid.plain}`;
  const select = el("select", { id: `measure-${grid.name}`, onchange: (event) => {
    grid.measure = event.target.value;
    drawGrid(grid);
    byId(`measure-${grid.name}`).focus();
  } }, Object.entries(names).map(([value, name]) =>
    el("option", { value, selected: value === grid.measure }, name)));
  return el("p", { class: "controls inline screen" },
    el("label", { for: `measure-${grid.name}` }, "Show "), select);
}

/** Mean and half-width of an entry under a measure. */
const measured = (row, measure) =>
  (measure === "few" ? [row.few, row.fewWidth] : [row.all, row.width]);

function heatMap(grid, measure) {
  const found = new Map(grid.cells.map((cell) => [`${cell[0]} ${cell[1]}`, cell]));
  const range = heatRange(grid, measure);
  const head = grid.rows.map((name) => el("th", { scope: "col" }, name));
  const lines = grid.columns.map((name, column) => el("tr", {},
    el("th", { scope: "row" }, name),
    grid.rows.map((_, row) => heatCell(grid, found.get(`${row} ${column}`), measure, range))));
  return scroller(grid.title, el("table", { class: "heat" },
    el("caption", {}, heatCaption(grid, measure)),
    el("thead", {}, el("tr", {}, el("td", {}), head)), el("tbody", {}, lines)));
}

function heatCaption(grid, measure) {
  if (measure === "gain") {
    return `Gain over ${grid.plain} on the same images, paired by seed, in points ± half-width of `
      + "the 95 % interval. *: below 5 % after Holm's correction over this table.";
  }
  const name = measure === "few" ? "Few-shot accuracy" : "Accuracy";
  return `${name}, mean over seeds ± half-width of the 95 % interval, percent.`;
}

const heatValue = (grid, cell, measure) =>
  (measure === "gain" ? cell[3] : measured(entriesOf(grid)[cell[2]], measure)[0]);

function heatRange(grid, measure) {
  const values = grid.cells.map((cell) => heatValue(grid, cell, measure))
    .filter((value) => value !== null);
  return [Math.min(...values), Math.max(...values)];
}

function heatCell(grid, cell, measure, range) {
  if (!cell) return el("td", { class: "none" }, NONE, unseen(" missing"));
  const row = entriesOf(grid)[cell[2]];
  const value = heatValue(grid, cell, measure);
  const text = measure === "gain" ? difference(cell[3], cell[4])
    : estimate(...measured(row, measure));
  const star = measure === "gain" && cell[5]
    ? ["*", unseen(" significant")] : [];
  const [first, ...rest] = text.split(" ± ");
  const content = value === null ? [NONE, unseen(" the plain one")] : [el("b", {}, first), ...star,
    rest.length ? el("small", {}, ` ± ${rest[0]}`) : null];
  const button = el("button", { type: "button",
    onclick: () => go(`grid-${grid.name}`, row.hash) }, content);
  const box = el("td", {}, button);
  if (value !== null) box.style.backgroundColor = heatColour(value, measure, range);
  return box;
}

/** A tint that leaves the text readable; gains go both ways from none. */
function heatColour(value, measure, [low, high]) {
  if (measure !== "gain") return tint("--cool", (value - low) / Math.max(1, high - low));
  const most = Math.max(Math.abs(low), Math.abs(high), 1);
  return tint(value < 0 ? "--warm" : "--cool", Math.abs(value) / most);
}

const tint = (name, share) =>
  `color-mix(in srgb, var(${name}) ${Math.round(46 * share)}%, var(--paper))`;

const heatKey = (measure) => el("p", { class: "note" }, measure === "gain"
  ? "Blue: better than the plain one; orange: worse; the deeper, the more. A cell opens its runs."
  : "The deeper the blue, the more accurate. A cell opens its runs.");

/** A plain list of experiments. */
function gridList(grid) {
  const header = ["All ± 95 %", grid.plain ? `Gain over ${grid.plain}` : "Gain", "Many", "Medium",
    "Few", "Seeds", "Images added"];
  const lines = grid.cells.map((cell) => {
    const row = entriesOf(grid)[cell[2]];
    const values = [estimate(row.all, row.width), difference(cell[3], cell[4]), percent(row.many),
      percent(row.medium), percent(row.few), `${row.seeds}`, integer(row.added)];
    return el("tr", {}, el("th", { scope: "row" }, gridOpener(grid, row, grid.rows[cell[0]])),
      values.map((value) => el("td", { class: "number" }, value)));
  });
  return scroller(grid.title, el("table", { class: "plain" },
    el("caption", {}, "Mean over seeds, percent; gains in points with their 95 % intervals."),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Row"),
      header.map((name) => el("th", { scope: "col", class: "number" }, name)))),
    el("tbody", {}, lines)));
}

const gridOpener = (grid, row, name) => el("button", { type: "button", class: "open",
  onclick: () => go(`grid-${grid.name}`, row.hash) }, name);

function curveParts(grid, width, measure) {
  const series = grid.curves.slice(0, SERIES_SHAPES.length);
  const legend = el("ul", { class: "legend" }, series.map((curve, at) =>
    el("li", {}, seriesMark(at), el("span", {}, curve.name))));
  const left = grid.curves.length - series.length;
  return [legend, left > 0 && el("p", { class: "note" }, `${left} more in the table only.`),
    el("div", { class: "chart" }, curveChart(grid, series, width, measure)),
    curveNumbers(grid)];
}

function curveChart(grid, series, width, measure) {
  const entries = entriesOf(grid);
  const lines = series.map((curve) => curve.points.map(([x, number]) =>
    [x, ...measured(entries[number], measure)]).filter((point) => point[1] !== null));
  const heights = (mean, half) => [mean - (half ?? 0), mean + (half ?? 0)];
  const flat = offCurves(grid).map(([name, row]) => [name, ...measured(row, measure)]);
  const every = [...lines.flat(), ...flat];
  const xs = lines.flat().map(([x]) => x);
  const name = measure === "few" ? "Few-shot accuracy" : "Accuracy";
  const plot = frame({
    width, height: width < 520 ? 300 : 380, name: `curve-${grid.name}`,
    title: `${grid.title}: ${name.toLowerCase()}`,
    description: `${series.map((curve) => curve.name).join(", ")}; the table below holds the`
      + " numbers.",
    xLabel: capital(series[0].xLabel), yLabel: `${name}, percent`,
    x: (box) => curveScale(xs, box),
    y: (box) => straight(every.flatMap(([, mean, half]) => heights(mean, half)), box.bottom,
      box.top, 6, [0, 10000]),
  });
  for (const [text, mean] of flat) plot.marks.append(...levelLine(plot, text, mean));
  lines.forEach((points, at) => plot.marks.append(...curveLine(plot, points, at, lines.length)));
  return plot.root;
}

/** Experiments of the grid that stand on no curve: what the curves are seen against. */
function offCurves(grid) {
  const on = new Set(grid.curves.flatMap((curve) => curve.points.map(([, number]) => number)));
  return grid.cells.filter((cell) => !on.has(cell[2])).map((cell) =>
    [[grid.rows[cell[0]], grid.columns[cell[1]]].filter(Boolean).join(", "),
      entriesOf(grid)[cell[2]]]);
}

const levelLine = ({ box, y }, name, mean) => [
  svg("path", { class: "level", d: `M${box.left} ${fixed(y.at(mean))}H${box.right}` }),
  svg("text", { class: "label", x: box.right, y: fixed(y.at(mean) - 5), "text-anchor": "end" },
    name),
];

/** Logarithmic where values span a lot more than one power of ten. */
function curveScale(xs, box) {
  const positive = xs.filter((x) => x > 0);
  const far = positive.length && Math.max(...positive) / Math.min(...positive) > 20;
  if (far) return logarithmic(xs, box.left + 8, box.right - 8);
  const scale = straight(xs, box.left + 8, box.right - 8, 8);
  return { ...scale, word: (value) => short(value) };
}

/** A curve with its interval: a band among few curves, whiskers side by side among many. */
function curveLine({ x, y }, values, at, of) {
  const shift = of > MOST_BANDS ? (at - (of - 1) / 2) * 4 : 0;
  const points = values.map(([value, mean]) => [x.at(value) + shift, y.at(mean)]);
  const ends = values.map(([, mean, half]) => limits(y, mean, half));
  const whiskers = () => points.map(([px], place) =>
    ends[place] && whisker(px, ...ends[place], `s${at}`));
  const intervals = of > MOST_BANDS || points.length === 1
    ? whiskers() : [band(points, ends, at)];
  const dots = points.map((point) => shape(SERIES_SHAPES[at], ...point, 3.6)).join("");
  return [...intervals, svg("path", { class: `line s${at}`, d: path(points) }),
    svg("path", { class: `dot s${at}`, d: dots })].filter(Boolean);
}

const MOST_BANDS = 3;

function curveNumbers(grid) {
  const entries = entriesOf(grid);
  const line = (name, x, row) => [gridOpener(grid, row, name), x, estimate(row.all, row.width),
    estimate(row.few, row.fewWidth), `${row.seeds}`];
  const lines = [
    ...grid.curves.flatMap((curve) => curve.points.map(([x, number, name]) =>
      line(`${curve.name}: ${name}`, short(x), entries[number]))),
    ...offCurves(grid).map(([name, row]) => line(name, NONE, row)),
  ];
  return tableBehind(`${grid.title}: percent, mean over seeds; a name opens its runs`,
    ["Curve", capital(grid.curves[0].xLabel), "All", "Few", "Seeds"], lines);
}

function missing(grid) {
  if (!grid.missing.length) return [];
  const lines = grid.missing.map(([name, seeds, text]) => el("li", {},
    el("span", { class: "seed" }, `${name}, ${plural(seeds, "seed")}`), commandLine(text)));
  return [el("details", { class: "numbers" },
    el("summary", {}, `${plural(grid.missing.length, "experiment")} with missing runs`),
    el("ul", { class: "commands" }, lines))];
}

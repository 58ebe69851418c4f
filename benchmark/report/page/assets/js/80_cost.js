// Accuracy against cost: every row shown, the front of those that nothing cheaper beats.

const COSTS = {
  calls: ["Network calls", (row) => row.calls],
  added: ["Images added", (row) => row.added],
  train: ["Training, seconds", (row) => row.train / 10],
};
const cost = { points: [], at: -1 };

function drawCost() {
  if (!state.table) return;
  const [xLabel, price] = COSTS[byId("cost-x").value];
  const key = byId("cost-y").value;
  const points = shownRows()
    .map((row) => ({ row, x: price(row), y: row[key], half: row[`${key}Width`] ?? null }))
    .map((point) => (key === "all" ? { ...point, half: point.row.width } : point))
    .filter((point) => point.x !== null && point.y !== null);
  const box = byId("cost-plot");
  cost.at = -1;
  byId("cost-hit").hidden = !points.length;
  byId("cost-tip").hidden = true;
  if (!points.length) {
    cost.points = [];
    return box.replaceChildren(el("p", { class: "empty" }, "No row to show."));
  }
  box.replaceChildren(costChart(widthOf(box), points, xLabel, key));
  const left = shownRows().length - points.length;
  byId("cost-left").textContent = left
    ? ` ${plural(left, "row")} left out: the cost or the accuracy is not known.` : "";
  drawCostNumbers(xLabel, key);
}

function costChart(width, points, xLabel, key) {
  const few = points.length <= 60;
  const heights = points.flatMap(({ y, half }) => (few ? [y - (half ?? 0), y + (half ?? 0)] : [y]));
  const yName = key === "all" ? "All" : "Few";
  const plot = frame({
    width, height: width < 520 ? 320 : 400, name: "cost", xLabel,
    yLabel: `${yName}, percent`, title: `${yName} against ${xLabel.toLowerCase()}`,
    description: `${plural(points.length, "row")}, the table below holds the numbers.`,
    x: (box) => logarithmic(points.map(({ x }) => x), box.left, box.right - 8),
    y: (box) => straight(heights, box.bottom, box.top, 6, [0, 10000]),
  });
  for (const point of points) placePoint(point, plot);
  if (few) sidestep(points);
  cost.points = points.sort((a, b) => a.px - b.px || b.py - a.py || a.row.place - b.row.place);
  plot.marks.append(frontPath(plot), ...(few ? points.map(costWhisker) : []), ...costMarks(points),
    ...frontLabels(plot, width), svg("path", { id: "cost-ring", class: "ring", d: "" }));
  return plot.root;
}

function placePoint(point, plot) {
  point.px = plot.x.at(point.x);
  point.py = plot.y.at(point.y);
  point.top = plot.y.at(Math.min(10000, point.y + (point.half ?? 0)));
  point.foot = plot.y.at(Math.max(plot.y.first, point.y - (point.half ?? 0)));
}

/** Points that would cover each other step aside, in order of accuracy. */
function sidestep(points) {
  const placed = [];
  for (const point of [...points].sort((a, b) => a.py - b.py || a.row.place - b.row.place)) {
    const home = point.px;
    const free = [0, 11, -11, 22, -22].find((by) => placed.every(({ px, py }) =>
      Math.abs(px - home - by) > 10 || Math.abs(py - point.py) > 10));
    point.px = home + (free ?? 0);
    placed.push(point);
  }
}

const costWhisker = (point) =>
  whisker(point.px, point.top, point.foot, `l-${point.row.track}`);

/** One path for each track and state, however many points there are. */
function costMarks(points) {
  const kinds = new Map();
  for (const { row, px, py } of points) {
    const kind = `t-${row.track}${row.low === null ? " hollow" : ""}`;
    kinds.set(kind, (kinds.get(kind) ?? "") + shape(SHAPES[row.track], px, py, 4.6));
  }
  return [...kinds].map(([kind, d]) => svg("path", { class: kind, d }));
}

/** Ranked rows that none with at most their cost reaches; the oracle track does not count. */
function front() {
  const able = cost.points.filter(({ row }) => row.track !== "oracle" && row.low !== null);
  const byCost = [...able].sort((a, b) => a.x - b.x || b.y - a.y);
  let best = -Infinity;
  return byCost.filter(({ y }) => {
    const better = y > best;
    best = Math.max(best, y);
    return better;
  });
}

function frontPath(plot) {
  const points = front();
  const steps = points.map(({ px, py }, at) => (at ? `H${fixed(px)}V${fixed(py)}`
    : `M${fixed(px)} ${fixed(py)}`));
  return svg("path", { class: "front", d: points.length
    ? `${steps.join("")}H${fixed(plot.box.right)}` : "" });
}

/** Names of the front beside its points, where they do not run into each other. */
function frontLabels(plot, width) {
  const taken = [];
  return front().slice(-12).reverse().flatMap(({ row, px, py }) => {
    const long = Math.min(row.label.length, 34) * 6.4;
    const end = px + long + 10 > width;
    const from = end ? px - long - 9 : px + 9;
    const area = [from, py - 18, from + long, py - 4];
    if (from < 0 || taken.some((other) => overlap(area, other))) return [];
    taken.push(area);
    return [svg("text", { class: "label", x: end ? px - 9 : px + 9, y: py - 7,
      "text-anchor": end ? "end" : "start" }, clip(row.label, 34))];
  });
}

const overlap = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

const clip = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function describePoint({ row, x, y, half }) {
  const [xLabel] = COSTS[byId("cost-x").value];
  return `${row.label}: ${estimate(y, half)}; ${xLabel.toLowerCase()} ${short(x)}; `
    + `${row.track}, rank ${rankRange(row)}`;
}

/** Point out one row: ring, words beside it, and the name of the button over the chart. */
function pointOut(at) {
  cost.at = at;
  const point = cost.points[at];
  const tip = byId("cost-tip");
  tip.hidden = !point;
  byId("cost-ring").setAttribute("d", point ? shape("circle", point.px, point.py, 8) : "");
  if (!point) return;
  tip.textContent = describePoint(point);
  const room = byId("cost-plot").clientWidth - tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(room, point.px - tip.offsetWidth / 2))}px`;
  tip.style.top = `${point.py > 90 ? point.py - tip.offsetHeight - 14 : point.py + 16}px`;
}

function nearest(event) {
  const area = byId("cost-plot").getBoundingClientRect();
  const [x, y] = [event.clientX - area.left, event.clientY - area.top];
  let best = -1;
  let least = 26 ** 2;
  cost.points.forEach(({ px, py }, at) => {
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) { least = far; best = at; }
  });
  return best;
}

function costKey(event) {
  const last = cost.points.length - 1;
  const next = { ArrowRight: cost.at + 1, ArrowUp: cost.at + 1, ArrowLeft: cost.at - 1,
    ArrowDown: cost.at - 1, Home: 0, End: last }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  pointOut(Math.max(0, Math.min(last, next)));
  announce(describePoint(cost.points[cost.at]));
}

function costClick(event) {
  // a click by keyboard has no place
  if (event.detail) pointOut(nearest(event));
  const point = cost.points[cost.at];
  if (point) go(state.table.id, point.row.hash);
}

function drawCostNumbers(xLabel, key) {
  const leading = new Set(front().map(({ row }) => row.hash));
  const lines = [...cost.points].sort((a, b) => a.x - b.x || b.y - a.y).slice(0, 200)
    .map(({ row, x, y, half }) => [row.label, row.track, short(x), estimate(y, half),
      leading.has(row.hash) ? "yes" : "no"]);
  const more = cost.points.length > 200 ? " (the first 200)" : "";
  byId("cost-numbers").replaceChildren(tableBehind(`Accuracy against cost${more}`,
    ["Method", "Track", xLabel, key === "all" ? "All" : "Few", "On the front"], lines));
}

function wireCost() {
  const hit = byId("cost-hit");
  hit.addEventListener("mousemove", (event) => pointOut(nearest(event)));
  hit.addEventListener("mouseleave", () => pointOut(-1));
  hit.addEventListener("focus", () => {
    if (hit.matches(":focus-visible")) pointOut(Math.max(0, cost.at));
  });
  hit.addEventListener("blur", () => pointOut(-1));
  hit.addEventListener("keydown", costKey);
  hit.addEventListener("click", costClick);
  byId("cost-x").addEventListener("change", drawCost);
  byId("cost-y").addEventListener("change", drawCost);
}

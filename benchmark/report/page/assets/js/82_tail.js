// Accuracy along the tail, and by shot group, of the chosen rows.

function drawTail() {
  if (!state.table) return;
  const series = chosenRows().map((row) => ({ row, found: detailOf(row) }));
  drawLegend(series);
  const [lines, bars] = [byId("tail-plot"), byId("group-plot")];
  const places = state.table.places;
  if (!series.length) {
    lines.replaceChildren(el("p", { class: "empty" }, "Choose rows by the boxes in the table."));
    bars.replaceChildren();
    byId("tail-numbers").replaceChildren();
    return;
  }
  lines.replaceChildren(tailChart(widthOf(lines), places, series, "tail"));
  bars.replaceChildren(groupChart(widthOf(bars), series));
  byId("tail-numbers").replaceChildren(tailNumbers(places, series));
  byId("group-numbers").replaceChildren(groupNumbers(series));
}

function drawLegend(series) {
  byId("tail-legend").replaceChildren(...series.map(({ row }, at) => el("li", {},
    seriesMark(at), el("span", {}, row.label), el("button", {
      type: "button", class: "drop", "aria-label": `Take ${row.label} out of the curves`,
      onclick: () => { choose(row.hash, false); syncChoice(); drawTail(); },
    }, "×"))));
}

function tailChart(width, places, series, name) {
  const count = places.counts.length;
  const values = series.flatMap(({ found }) => tailValues(found, count));
  const plot = frame({
    width, height: width < 520 ? 300 : 360, name, title: "Accuracy along the tail",
    description: `${series.map(({ row }) => row.label).join(", ")}; classes from the largest to the`
      + " smallest; the table below holds the numbers.",
    xLabel: "Real images of the class, from the largest class to the smallest",
    yLabel: "Accuracy, percent",
    x: (box) => placeScale(box, places),
    y: (box) => straight([...values, 10000], box.bottom, box.top, 5, [0, 10000]),
  });
  plot.marks.append(...groupAreas(plot, places));
  series.forEach((each, at) =>
    plot.marks.append(...tailLine(plot, each, at, series.length, count)));
  return plot.root;
}

/** What the upright axis has to hold: whole intervals where they are whiskers. */
function tailValues({ curve, widths }, count) {
  const low = curve.map((value, at) => (count <= 24 && value !== null
    ? Math.max(0, value - (widths[at] ?? 0)) : value));
  return [...curve, ...low].filter((value) => value !== null);
}

function placeScale(box, places) {
  const count = places.counts.length;
  const step = (box.right - box.left) / count;
  const every = Math.ceil(count / Math.max(2, Math.floor((box.right - box.left) / 44)));
  const marks = places.counts.map((_, at) => at).filter((at) => at % every === 0);
  return { at: (place) => box.left + (place + 0.5) * step, marks, step,
    word: (place) => `${places.counts[place]}` };
}

/** The shot groups as areas with names. */
function groupAreas({ box, x }, places) {
  return ["many", "medium", "few"].flatMap((group, at) => {
    const first = places.groups.indexOf(group);
    if (first < 0) return [];
    const last = places.groups.lastIndexOf(group);
    const [from, to] = [x.at(first) - x.step / 2, x.at(last) + x.step / 2];
    return [
      svg("rect", { class: at % 2 ? "area odd" : "area", x: fixed(from), y: box.top,
        width: fixed(to - from), height: box.bottom - box.top }),
      svg("text", { class: "area-name", x: fixed((from + to) / 2), y: box.top - 6,
        "text-anchor": "middle" }, capital(group)),
    ];
  });
}

/** A curve with intervals: whiskers for few classes, a band for many. */
function tailLine({ x, y }, { found }, at, of, count) {
  const shift = count <= 24 ? (at - (of - 1) / 2) * Math.min(5, x.step / (of + 1)) : 0;
  const points = found.curve.map((value, place) =>
    (value === null ? null : [x.at(place) + shift, y.at(value)]));
  const ends = found.curve.map((value, place) => limits(y, value, found.widths[place]));
  const intervals = count <= 24
    ? points.map((point, place) => point && ends[place]
      && whisker(point[0], ends[place][0], ends[place][1], `s${at}`)).filter(Boolean)
    : [band(points, ends, at)].filter(Boolean);
  const dots = count <= 24
    ? [svg("path", { class: `dot s${at}`, d: points.filter(Boolean)
      .map((point) => shape(SERIES_SHAPES[at], ...point, 3.4)).join("") })] : [];
  return [...intervals, svg("path", { class: `line s${at}`, d: path(points) }), ...dots];
}

/** The ends of an interval, inside the chart. */
function limits(y, value, half) {
  if (value === null || half === null) return null;
  return [y.at(Math.min(10000, y.last, value + half)), y.at(Math.max(0, y.first, value - half))];
}

function band(points, ends, at) {
  const there = points.map((point, place) => point && ends[place] && [point[0], ...ends[place]])
    .filter(Boolean);
  if (there.length < 2) return null;
  const up = there.map(([px, top]) => [px, top]);
  const down = there.map(([px, , foot]) => [px, foot]).reverse();
  return svg("path", { class: `band s${at}`, d: `${path([...up, ...down])}z` });
}

function tailNumbers(places, series) {
  const lines = places.counts.map((count, at) => [`${at + 1}`, `${count}`,
    capital(places.groups[at]) || NONE, places.names ? places.names[at] : "by seed",
    ...series.map(({ found }) => estimate(found.curve[at], found.widths[at]))]);
  return tableBehind("Accuracy by class, mean over seeds in percent",
    ["Place", "Real images", "Group", "Class", ...series.map(({ row }) => row.label)], lines);
}

const GROUP_KEYS = ["many", "medium", "few"];

function groupChart(width, series) {
  const values = series.flatMap(({ row }) =>
    GROUP_KEYS.map((key) => (row[key] ?? 0) + (row[`${key}Width`] ?? 0)));
  const plot = frame({
    width, height: width < 520 ? 280 : 360, name: "groups", title: "Accuracy by shot group",
    description: `${series.map(({ row }) => row.label).join(", ")}; the table below holds the`
      + " numbers.",
    xLabel: "Shot group", yLabel: "Accuracy, percent",
    x: (box) => ({ at: (group) => box.left + (group + 0.5) * (box.right - box.left) / 3,
      marks: [0, 1, 2], word: (group) => capital(GROUP_KEYS[group]) }),
    y: (box) => straight([0, ...values], box.bottom, box.top, 5, [0, 10000]),
  });
  const wide = Math.min(30, (plot.box.right - plot.box.left) / 3 * 0.8 / series.length);
  GROUP_KEYS.forEach((key, group) => series.forEach(({ row }, at) => {
    if (row[key] === null) return;
    const middle = plot.x.at(group) + (at - (series.length - 1) / 2) * wide;
    plot.marks.append(...groupBar(plot, row, key, middle, wide, at));
  }));
  return plot.root;
}

function groupBar({ box, y }, row, key, middle, wide, at) {
  const top = y.at(row[key]);
  const ends = limits(y, row[key], row[`${key}Width`]);
  return [
    svg("rect", { class: `block s${at}`, x: fixed(middle - wide / 2 + 1), y: fixed(top),
      width: fixed(wide - 2), height: fixed(box.bottom - top) }),
    ends && whisker(middle, ends[0], ends[1], "ink"),
    svg("path", { class: `dot s${at}`, d: shape(SERIES_SHAPES[at], middle, top, 3.2) }),
  ].filter(Boolean);
}

function groupNumbers(series) {
  const lines = series.map(({ row }) => [row.label,
    ...GROUP_KEYS.map((key) => estimate(row[key], row[`${key}Width`]))]);
  return tableBehind("Accuracy by shot group, mean over seeds in percent",
    ["Method", "Many", "Medium", "Few"], lines);
}

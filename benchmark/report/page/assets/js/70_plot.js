// Scales, axes and marks of the charts.

const SHAPES = { real: "circle", synthetic: "diamond", web: "square", oracle: "triangle" };
const SERIES_SHAPES = ["circle", "diamond", "square", "triangle", "down", "cross", "left", "bar"];

const OUTLINES = {
  diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
  square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  triangle: [[0, -1.2], [1.15, 0.85], [-1.15, 0.85]],
  down: [[0, 1.2], [1.15, -0.85], [-1.15, -0.85]],
  left: [[-1.2, 0], [0.85, 1.15], [0.85, -1.15]],
  bar: [[-0.5, -1.3], [0.5, -1.3], [0.5, 1.3], [-0.5, 1.3]],
  cross: [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4],
    [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
};

/** The width a chart may take; a window can be narrower than any chart for a moment. */
const widthOf = (box) => Math.max(240, Math.min(1152, box.clientWidth));

const fixed = (value) => value.toFixed(1);

/** The path of a mark around a place. */
function shape(name, x, y, size) {
  if (name === "circle") {
    return `M${fixed(x - size)} ${fixed(y)}a${size} ${size} 0 1 0 ${2 * size} 0`
      + `a${size} ${size} 0 1 0 ${-2 * size} 0z`;
  }
  const points = OUTLINES[name].map(([dx, dy]) =>
    `${fixed(x + dx * size)} ${fixed(y + dy * size)}`);
  return `M${points.join("L")}z`;
}

/** Round numbers that cover a range in at most about that many steps. */
function ticks(low, high, most) {
  const rough = Math.max(high - low, 1e-9) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.floor(low / step); at * step < high + step * 0.999; at += 1) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

/** A straight scale whose ends are round; in hundredths of a percent for accuracies. */
function straight(values, from, to, most, limits = [-Infinity, Infinity]) {
  const low = Math.max(limits[0], Math.min(...values));
  const high = Math.min(limits[1], Math.max(...values));
  const marks = ticks(low, high === low ? low + 1 : high, most);
  const [first, last] = [marks[0], marks[marks.length - 1]];
  const at = (value) => from + (value - first) / (last - first) * (to - from);
  return { at, marks, first, last, low: Math.min(from, to), high: Math.max(from, to) };
}

/** A logarithmic scale with a place of its own for zero, left of a gap. */
function logarithmic(values, from, to) {
  const positive = values.filter((value) => value > 0);
  const zero = positive.length < values.length;
  const start = zero ? from + Math.min(110, (to - from) / 4) : from;
  const low = Math.log10(positive.length ? Math.min(...positive) : 1) - 0.08;
  const high = Math.log10(positive.length ? Math.max(...positive) : 10) + 0.08;
  const at = (value) => (value > 0
    ? start + (Math.log10(value) - low) / (high - low) * (to - start)
    : from + 30);
  const marks = positive.length ? logMarks(low, high) : [];
  return { at, marks: zero ? [0, ...marks] : marks, zero, start };
}

function logMarks(low, high) {
  const digits = high - low > 2.5 ? [1] : high - low > 0.9 ? [1, 2, 5] : [1, 2, 3, 4, 6, 8];
  const found = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const digit of digits) {
      const value = digit * 10 ** power;
      if (Math.log10(value) >= low && Math.log10(value) <= high) found.push(value);
    }
  }
  return found;
}

const short = (value) => (value >= 1e6 ? `${value / 1e6}M`
  : value >= 1e4 ? `${value / 1e3}k` : Number(value.toPrecision(6)).toLocaleString("en-US"));

/** An empty chart: title and description for screen readers, axes, a group for the marks. */
function frame({ width, height, name, title, description, x, y, xLabel, yLabel }) {
  const box = { left: 46, right: width - 14, top: 36, bottom: height - 40 };
  const marks = svg("g");
  const root = svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`,
    role: "img", "aria-labelledby": `plot-${name}-title plot-${name}-about` },
  svg("title", { id: `plot-${name}-title` }, title),
  svg("desc", { id: `plot-${name}-about` }, description),
  yAxis(box, y(box), yLabel), xAxis(box, x(box), xLabel), marks);
  return { root, marks, box, x: x(box), y: y(box) };
}

function yAxis(box, scale, label) {
  const lines = scale.marks.map((value) => svg("g", {},
    svg("line", { class: "grid", x1: box.left, x2: box.right, y1: scale.at(value),
      y2: scale.at(value) }),
    svg("text", { x: box.left - 7, y: scale.at(value) + 4, "text-anchor": "end" },
      (scale.word ?? plainMark)(value))));
  return svg("g", { class: "axis" }, lines,
    svg("text", { class: "axis-name", x: 0, y: 11 }, label));
}

const plainMark = (value) => minus(`${value / 100}`);

function xAxis(box, scale, label) {
  const marks = scale.marks.map((value) => svg("g", {},
    svg("line", { class: "tick", x1: scale.at(value), x2: scale.at(value), y1: box.bottom,
      y2: box.bottom + 4 }),
    svg("text", { x: scale.at(value), y: box.bottom + 17, "text-anchor": "middle" },
      (scale.word ?? short)(value))));
  return svg("g", { class: "axis" },
    svg("line", { class: "base", x1: scale.zero ? scale.start - 12 : box.left, x2: box.right,
      y1: box.bottom, y2: box.bottom }),
    scale.zero && svg("line", { class: "base", x1: box.left, x2: scale.start - 24,
      y1: box.bottom, y2: box.bottom }),
    marks,
    svg("text", { class: "axis-name", x: (box.left + box.right) / 2, y: box.bottom + 34,
      "text-anchor": "middle" }, label));
}

/** A broken line through the points that are there. */
function path(points) {
  let pen = "M";
  return points.map((point) => {
    if (!point) { pen = "M"; return ""; }
    const step = `${pen}${fixed(point[0])} ${fixed(point[1])}`;
    pen = "L";
    return step;
  }).join("");
}

/** A vertical interval. */
const whisker = (x, low, high, kind) => svg("path", { class: `whisker ${kind}`,
  d: `M${fixed(x)} ${fixed(low)}V${fixed(high)}` });

/** The sign of a series in a legend. */
const seriesMark = (at) => svg("svg", { class: "mark wide", width: 30, height: 12,
  "aria-hidden": "true" },
svg("path", { class: `line s${at}`, d: "M1 6H29" }),
svg("path", { class: `dot s${at}`, d: shape(SERIES_SHAPES[at], 15, 6, 3.4) }));

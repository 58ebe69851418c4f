// Elements, formats and small tools. Text from records only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";
const NONE = "–";

const byId = (id) => document.getElementById(id);

/** An HTML element; attributes that begin with "on" are listeners, null and false are left out. */
const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** An SVG element. */
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child || child === 0));
  return node;
}

/** Text for screen readers only. */
const unseen = (words) => el("span", { class: "unseen" }, words);

/** A label that may break after its joints. */
const breakable = (label) => label.split(/(?<=[_+,(])/).flatMap((piece, at) =>
  (at ? [el("wbr"), piece] : [piece]));

const minus = (words) => words.replace("-", "−");

/** Hundredths of a percent as percent. */
const percent = (value) => (value === null ? "n/a" : minus((value / 100).toFixed(2)));

const withWidth = (words, width) => (width === null ? words : `${words} ± ${percent(width)}`);

const estimate = (mean, width) => withWidth(percent(mean), width);

/** A difference in points, always with its sign. */
function difference(mean, width) {
  if (mean === null) return NONE;
  return withWidth((mean < 0 ? "" : "+") + percent(mean), width);
}

const capital = (name) => name && name[0].toUpperCase() + name.slice(1);

const integer = (value) => value.toLocaleString("en-US");

/** A rank or a range of ranks. */
const rankRange = (row) =>
  row.low === null ? NONE : row.low === row.high ? `${row.low}` : `${row.low}–${row.high}`;

const plural = (count, word) => `${integer(count)} ${word}${count === 1 ? "" : "s"}`;

/** A table that can be scrolled sideways by keyboard, too. */
const scroller = (label, table) =>
  el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}: table` },
    table);

/** A chart's numbers as a table behind a summary. */
function tableBehind(caption, header, lines, summary = "The same numbers as a table") {
  const head = header.map((name) => el("th", { scope: "col" }, name));
  const body = lines.map(([first, ...cells]) =>
    el("tr", {}, el("th", { scope: "row" }, first), cells.map((cell) => el("td", {}, cell))));
  const table = el("table", { class: "plain" },
    el("caption", {}, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body));
  return el("details", { class: "numbers" },
    el("summary", {}, summary), scroller(caption, table));
}

/** Copy text and say so on the button. */
async function copy(button, words) {
  const done = await toClipboard(words);
  const before = button.dataset.label ?? (button.dataset.label = button.textContent);
  button.textContent = done ? "Copied" : "Select and copy by hand";
  announce(done ? "Copied to the clipboard" : "Copying is not allowed here");
  setTimeout(() => { button.textContent = before; }, 1600);
}

async function toClipboard(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}

const copyButton = (words, label = "Copy", name = "Copy the command") =>
  el("button", {
    type: "button", class: "copy", "aria-label": name,
    onclick: (event) => copy(event.currentTarget, words),
  }, label);

/** A command with a button that copies it. */
const commandLine = (words, name) =>
  el("span", { class: "command" }, el("code", {}, words), copyButton(words, "Copy", name));

const waiting = [];

/** Do something once the reader waits for nothing; one at a time, so that clicks come first. */
function later(work) {
  waiting.push(work);
  if (waiting.length === 1) whenIdle(doNext);
}

const whenIdle = (work) => (window.requestIdleCallback
  ? requestIdleCallback(work, { timeout: 1000 }) : setTimeout(work, 1));

function doNext() {
  const work = waiting.shift();
  if (waiting.length) whenIdle(doNext);
  if (work) work();
}

/** Do at once all that was put off. */
function hurry() {
  while (waiting.length) waiting.shift()();
}

/** Say something to screen readers. */
const announce = (words) => { byId("said").textContent = words; };

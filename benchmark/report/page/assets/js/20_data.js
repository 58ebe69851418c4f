// The payload: tables and grids at once, details when first asked for.

const data = JSON.parse(byId("data").textContent);
const TRACKS = ["real", "synthetic", "web", "oracle"];
let opened = null;

const details = () => (opened ??= JSON.parse(byId("details").textContent));

/** A row by field names, with its texts in place of their numbers. */
function decode(raw, place) {
  const row = { place };
  data.fields.forEach((name, at) => { row[name] = raw[at]; });
  for (const name of ["track", "budget", "letters"]) row[name] = data.strings[row[name]];
  row.components = row.components.map((number) => data.strings[number]);
  return row;
}

/** The rows of a table in their order of rank. */
const rowsOf = (table) => (table.decoded ??= table.rows.map(decode));

/** The row that gains are taken to; undefined without one. */
const referenceOf = (table) =>
  (table.base ??= rowsOf(table).find((row) => row.hash === table.reference));

/** The experiments of a grid. */
const entriesOf = (grid) => (grid.decoded ??= grid.entries.map(decode));

const tableById = (id) => data.tables.find((table) => table.id === id);
const gridById = (id) => data.grids.find((grid) => `grid-${grid.name}` === id);

/** What a filter searches: label, hash, track, budget, components. */
const searchText = (row) => (row.found ??=
  [row.label, row.hash, row.track, row.budget, ...row.components].join(" ").toLowerCase());

/** The details behind a row with texts in place of numbers. */
function detailOf(row) {
  const all = details();
  const raw = all.details[row.detail];
  const name = (number) => all.strings[number];
  const runs = raw.runs.map((values) => decodeRun(all, values));
  const commands = Array.isArray(raw.command)
    ? raw.command.map(name)
    : runs.map((run) => `${name(raw.command)}seed=${run.seed}`);
  return {
    runs, commands, curve: raw.curve, widths: raw.widths, images: all.images[raw.images],
    stack: raw.stack.map((part) => part.map(name)), facts: raw.facts.map((part) => part.map(name)),
  };
}

function decodeRun(all, values) {
  const run = {};
  all.runFields.forEach((field, at) => { run[field] = values[at]; });
  run.created = all.strings[run.created];
  run.code = all.strings[run.code];
  return run;
}

/** Names and values of a machine by turns. */
const machine = (number) => details().machines[number].map((word) => details().strings[word]);

// What the reader chose. Views read it and are drawn again when it changes.

const FRESH = { component: "", budget: "", text: "", ranked: false, minSeeds: 1 };

const state = {
  table: tableById(data.first) ?? null,
  tracks: new Set(TRACKS),
  ...FRESH,
  sort: { key: "place", descending: false },
  page: 0,
  chosen: [],
  wholeTable: false,
};

/** Rows of the table that pass the filters, in their order of rank. */
function shownRows() {
  if (!state.table) return [];
  const wanted = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  return rowsOf(state.table).filter((row) =>
    state.tracks.has(row.track)
    && row.seeds >= state.minSeeds
    && (!state.ranked || row.low !== null)
    && (!state.component || row.components.includes(state.component))
    && (!state.budget || row.budget === state.budget)
    && wanted.every((word) => searchText(row).includes(word)));
}

/** The reference and the leader of each track: what is worth seeing first. */
function defaultChoice(table) {
  const rows = rowsOf(table);
  const leaders = TRACKS.map((track) => {
    const own = rows.filter((row) => row.track === track);
    return own.find((row) => row.low !== null) ?? own[0];
  });
  const reference = rows.find((row) => row.hash === table.reference);
  const found = [reference, ...leaders].filter(Boolean).map((row) => row.hash);
  return [...new Set(found)].slice(0, MOST_CHOSEN);
}

const MOST_CHOSEN = 6;

/** Rows chosen for the curves, in order of choice. */
const chosenRows = () => state.chosen
  .map((hash) => rowsOf(state.table).find((row) => row.hash === hash))
  .filter(Boolean);

function choose(hash, on) {
  state.chosen = state.chosen.filter((each) => each !== hash);
  if (on) state.chosen = [...state.chosen, hash].slice(-MOST_CHOSEN);
}

function chooseTable(table) {
  Object.assign(state, FRESH, { table, page: 0, chosen: defaultChoice(table) });
  state.tracks = new Set(TRACKS);
  state.sort = { key: "place", descending: false };
}

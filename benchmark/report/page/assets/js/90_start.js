// Start: wire the controls, show the first table, follow the address.

const THEME = "synaug-bench-theme";

function wireTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  try { root.dataset.theme = localStorage.getItem(THEME) ?? ""; } catch { /* no storage */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem(THEME, root.dataset.theme); } catch { /* no storage */ }
    name();
  });
  dark.addEventListener("change", name);
  name();
}

/** Paper takes the whole table, and the width of a page. */
function wirePrint() {
  const whole = (on) => {
    if (state.wholeTable === on || !state.table) return;
    hurry();
    state.wholeTable = on;
    drawRows();
  };
  addEventListener("beforeprint", () => whole(true));
  addEventListener("afterprint", () => whole(false));
  matchMedia("print").addEventListener("change", (event) => whole(event.matches));
}

function wireDetail() {
  const dialog = byId("detail");
  dialog.addEventListener("close", closeDetail);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  byId("detail-close").addEventListener("click", () => dialog.close());
  byId("detail-link").addEventListener("click", (event) =>
    copy(event.currentTarget, location.href));
}

/** Charts follow the width of the window. */
function wireWidth() {
  let width = innerWidth;
  let waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { drawCost(); drawTail(); drawGrids(); });
  });
}

function wireCopies() {
  for (const code of document.querySelectorAll("code[data-copy]")) {
    code.after(copyButton(code.textContent));
  }
}

function start() {
  document.documentElement.classList.add("live");
  for (const node of document.querySelectorAll("[data-live]")) node.hidden = false;
  for (const node of document.querySelectorAll("[data-static]")) node.remove();
  wireTheme();
  wirePrint();
  wireDetail();
  wireWidth();
  wireCopies();
  if (state.table) {
    wireControls();
    wireCost();
    showTable(tableById(location.hash.slice(1).split("/")[0]) ?? state.table);
  }
  addEventListener("hashchange", route);
  later(drawGrids);
  later(() => performance.mark("settled"));
  route();
  performance.mark("interactive");
}

start();

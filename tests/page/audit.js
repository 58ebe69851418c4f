// What every reader needs of a page, as a list of faults; run inside it.
() => {
  const faults = [];
  const shown = (node) => node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const name = (node) => `${node.tagName.toLowerCase()}#${node.id}.${node.getAttribute("class")}`
    + ` "${node.textContent.trim().slice(0, 30)}"`;

  const named = (node) => node.getAttribute("aria-label")?.trim() || node.textContent.trim()
    || [...(node.labels ?? [])].some((label) => label.textContent.trim())
    || (node.getAttribute("aria-labelledby") ?? "").split(" ")
      .some((id) => document.getElementById(id)?.textContent.trim());
  for (const node of document.querySelectorAll("button, input, select, a, [role=region], dialog, nav")) {
    if (shown(node) && !named(node)) faults.push(`no name: ${name(node)}`);
  }

  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids.filter((each, at) => ids.indexOf(each) !== at))) {
    faults.push(`id twice: ${id}`);
  }
  for (const node of document.querySelectorAll("[aria-labelledby], [for]")) {
    for (const id of (node.getAttribute("aria-labelledby") ?? node.getAttribute("for")).split(" ")) {
      if (!document.getElementById(id)) faults.push(`names nothing: ${id}`);
    }
  }

  let before = 0;
  for (const node of document.querySelectorAll("h1, h2, h3, h4")) {
    if (!shown(node)) continue;
    const level = Number(node.tagName[1]);
    if (level > before + 1) faults.push(`heading skips a level: ${name(node)}`);
    before = level;
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  for (const tag of ["header", "nav", "main", "footer"]) {
    if (!document.querySelector(tag)) faults.push(`no ${tag}`);
  }

  for (const table of document.querySelectorAll("table")) {
    if (!shown(table)) continue;
    if (!table.caption && !table.classList.contains("words")) faults.push(`no caption: ${name(table)}`);
    for (const cell of table.querySelectorAll("th")) {
      if (!cell.scope) faults.push(`no scope: ${name(cell)}`);
    }
  }
  for (const image of document.querySelectorAll("img")) {
    if (!image.alt.trim()) faults.push("an image without alt");
  }
  for (const image of document.querySelectorAll("svg")) {
    const drawn = image.getAttribute("role") === "img"
      ? image.querySelector("title")?.textContent && image.querySelector("desc")?.textContent
      : image.getAttribute("aria-hidden") === "true";
    if (!drawn) faults.push(`neither named nor hidden: ${name(image)}`);
  }

  for (const node of document.querySelectorAll("button, select, input")) {
    const box = node.getBoundingClientRect();
    const small = box.width < 24 || box.height < 24;
    // a box beside its name may be smaller, where nothing else is near
    if (shown(node) && small && node.type !== "checkbox" && !node.closest("dialog:not([open])")) {
      if (box.height < 23.5 || box.width < 14) faults.push(`small target: ${name(node)} ${box.width}x${box.height}`);
    }
  }
  return faults;
}

// Text whose contrast to what lies behind it is below WCAG AA; run inside the page.
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const parse = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const luminance = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return parse("white");
  };
  const faults = [];
  let count = 0;
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) =>
      child.nodeType === Node.TEXT_NODE && child.textContent.trim());
    if (!own || !node.checkVisibility({ checkOpacity: true }) || node.closest("noscript, script")) continue;
    if (node.matches("option, title, desc, :disabled")) continue;
    const style = getComputedStyle(node);
    const front = luminance(parse(node instanceof SVGElement ? style.fill : style.color));
    const back = luminance(behind(node));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) {
      faults.push(`${ratio.toFixed(2)}: ${node.tagName}.${node.getAttribute("class")} `
        + node.textContent.trim().slice(0, 30));
    }
  }
  return { count, faults };
}

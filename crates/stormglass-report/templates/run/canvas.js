// The canvases: colours, size, and what is drawn in many places.

const canvas = document.getElementById("picture"),
  overview = document.getElementById("overview");
const context = canvas.getContext("2d"),
  small = overview.getContext("2d");
let colour = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = [
    "paper",
    "panel",
    "ink",
    "dim",
    "faint",
    "rule",
    "hover",
    "bad",
    "good",
    "fault",
    "mark",
    "step",
    "step-edge",
    "on-bar",
    ...COLOURS,
  ];
  colour = Object.fromEntries(names.map(name => [name, style.getPropertyValue("--" + name).trim()]));
  colour.roles = [0, 1, 2, 3, 4, 5].map(n => style.getPropertyValue("--role-" + n).trim());
  colour.ofKind = categoryOf.map(category => colour[COLOURS[category]]);
  colour.ofKind[KIND.refuse] = colour.ofKind[KIND.lose] = colour.bad;
  colour.ofKind[KIND.blocked] = colour.bad;
}

function resize() {
  const scroll = document.getElementById("scroll"),
    ratio = devicePixelRatio || 1;
  layout.width = scroll.clientWidth;
  layout.height = scroll.clientHeight;
  for (const [element, width, height] of [
    [canvas, layout.width, layout.height],
    [overview, layout.width, 34],
  ]) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    if (element === canvas) {
      element.style.width = width + "px";
      element.style.height = height + "px";
    }
    element.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  arrangeSpace();
}

function arrangeSpace() {
  arrange();
  document.getElementById("space").style.height = Math.max(0, layout.content - layout.height) + "px";
  changed();
}

const font = (size, weight = "") => `${weight} ${size}px system-ui, sans-serif`.trim();

/** Draws text that ends with an ellipsis where the width ends. */
function label(text, x, y, width, fill) {
  if (width < 14) return 0;
  let shown = text,
    measured = context.measureText(text).width;
  if (measured > width) {
    const keep = Math.floor((text.length * width) / measured) - 1;
    if (keep < 3) return 0;
    shown = text.slice(0, keep) + "…";
    measured = context.measureText(shown).width;
  }
  context.fillStyle = fill;
  context.fillText(shown, x, y);
  return measured;
}

function line(x, y, toX, toY) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

function diamond(x, y, size) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}

function arrowHead(x, y, toX, toY) {
  const angle = Math.atan2(toY - y, toX - x);
  context.fillStyle = context.strokeStyle;
  context.beginPath();
  context.moveTo(toX, toY);
  context.lineTo(toX - 6 * Math.cos(angle - 0.4), toY - 6 * Math.sin(angle - 0.4));
  context.lineTo(toX - 6 * Math.cos(angle + 0.4), toY - 6 * Math.sin(angle + 0.4));
  context.fill();
}

// The chance of failing over time, above the lanes: what `blame` computes.

/** The corners of a line that stays at a share until the next point. */
function chanceLine(of) {
  const y = share => layout.chance.y + CHANCE_HEIGHT - 6 - share * (CHANCE_HEIGHT - 26);
  const { curve } = source.chance,
    places = [];
  curve.forEach((point, index) => {
    const x = Math.min(Math.max(xOf(point.at), GUTTER - 2), layout.width + 2);
    if (index) places.push([x, places[places.length - 1][1]]);
    places.push([x, y(of(point))]);
  });
  places.push([Math.min(Math.max(xOf(source.ended), GUTTER), layout.width + 2), places[places.length - 1][1]]);
  return places;
}

function drawChance() {
  if (!source.chance) return;
  const trace = (places, isFirst) =>
    places.forEach(([x, y], index) => (isFirst && !index ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.fillStyle = colour.bad;
  context.globalAlpha = 0.15;
  context.beginPath();
  trace(
    chanceLine(point => point.high),
    true,
  );
  trace(chanceLine(point => point.low).reverse(), false);
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = colour.bad;
  context.lineWidth = 1.5;
  context.beginPath();
  trace(
    chanceLine(point => point.chance),
    true,
  );
  context.stroke();
  context.font = font(11);
  for (const jump of source.chance.jumps) {
    const x = xOf(jump.at);
    if (x < GUTTER || x > layout.width) continue;
    context.fillStyle = colour.bad;
    diamond(x, layout.chance.y + 6, 4);
    const onLeft = x > layout.width * 0.6;
    context.textAlign = onLeft ? "right" : "left";
    const room = onLeft ? x - GUTTER - 12 : layout.width - x - 12;
    label(jump.text, onLeft ? x - 8 : x + 8, layout.chance.y + 6, room, colour.ink);
    context.textAlign = "left";
  }
}

/** The jump under a point of the picture, or undefined. */
function jumpAt(x, y) {
  const top = y + layout.scroll - layout.chance.y;
  if (!source.chance || top < 0 || top >= layout.chance.height) return undefined;
  return source.chance.jumps.find(jump => Math.abs(xOf(jump.at) - x) < 8);
}

// What relates events: messages, the critical path, and causes of the selected event.

/** The vertical place of a lane's messages. */
function messageY(lane) {
  const placed = layout.lanes[lane];
  if (!placed) return null;
  const row = placed.rows.network;
  return row ? row.y + row.height / 2 : placed.y + PAD + 6;
}

function drawMessages() {
  const { sent, arrived, state } = messages,
    count = sent.length;
  const first = lowerBound(arrived, view.from),
    end = lowerBound(arrived, view.to + messages.longest);
  const many = end - first > 400,
    pixels = new Set();
  const faint = Math.max(0.035, Math.min(0.16, 150 / (end - first)));
  context.lineWidth = 1;
  for (let m = first; m < Math.min(end, count); m++) {
    if (sent[m] > view.to) continue;
    const from = messageY(messages.from[m]),
      to = messageY(messages.to[m]);
    if (from === null || to === null) continue;
    const left = xOf(sent[m]),
      right = xOf(arrived[m]),
      i = messages.deliver[m] - 1;
    if (state[m] === ARRIVED && many) {
      const pixel = (Math.floor(right) * 64 + messages.from[m]) * 64 + messages.to[m];
      if (pixels.has(pixel)) continue;
      pixels.add(pixel);
    }
    const isChosen = view.onPath[i] || view.matches?.[i];
    context.globalAlpha = view.matches
      ? view.matches[i]
        ? 1
        : 0.08
      : view.onPath[i]
        ? 1
        : many
          ? faint
          : 0.5;
    context.strokeStyle = state[m] === LOST ? colour.bad : state[m] === HELD ? colour.sync : colour.network;
    if (state[m] === LOST) {
      context.globalAlpha = view.matches ? context.globalAlpha : 0.85;
      const reach = from + Math.sign(to - from) * Math.min(14, Math.abs(to - from) / 2);
      line(left, from, left, reach);
      line(left - 3, reach - 3, left + 3, reach + 3);
      line(left - 3, reach + 3, left + 3, reach - 3);
      continue;
    }
    if (state[m] === HELD) context.setLineDash([4, 3]);
    if (state[m] === HELD && !view.matches) context.globalAlpha = Math.max(context.globalAlpha, 0.6);
    line(left, from, right, to);
    context.setLineDash([]);
    if (!many || isChosen) arrowHead(left, from, right, to);
  }
  context.globalAlpha = 1;
}

/** Draws the critical path: along the bar of each segment's event, and from lane to lane between them. */
function drawPath() {
  if (!view.path.length) return;
  const from = lowerBoundOf(view.path, view.from),
    points = [];
  let drawn = -1e9;
  for (let place = from; place < view.path.length; place++) {
    const { from: begins, to, i } = view.path[place];
    if (begins > view.to) break;
    const y = pathY(i);
    if (y === null) continue;
    const left = xOf(begins),
      right = xOf(to);
    // Of segments shorter than a pixel every third pixel shows one; all of them would be a block.
    if (right - left < 1 && right - drawn < 3 && place < view.path.length - 1) continue;
    drawn = right;
    const isMessage = events.kind[i] === KIND.deliver;
    if (!isMessage) points.push([left, y]);
    points.push([right, y]);
  }
  for (const [style, width] of [
    [colour.panel, 5],
    [colour.ink, 2],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.globalAlpha = width === 5 ? 0.75 : 1;
    context.beginPath();
    points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }
  context.globalAlpha = 1;
}

function lowerBoundOf(path, at) {
  let place = 0,
    end = path.length;
  while (place < end) {
    const middle = (place + end) >> 1;
    if (path[middle].to < at) place = middle + 1;
    else end = middle;
  }
  return place;
}

function drawSelection() {
  for (const [number, weight] of [
    [view.hovered, 1],
    [view.selected, 2],
  ]) {
    if (!number) continue;
    const i = number - 1,
      y = yOf(i);
    if (y === null) continue;
    const left = xOf(beganAt(i)),
      right = xOf(events.at[i]);
    context.strokeStyle = colour.mark;
    context.lineWidth = weight;
    context.strokeRect(left - 2, y - 8, Math.max(right - left, 1) + 4, 16);
    if (weight === 1) continue;
    const cause = events.cause[i];
    if (cause) tie(cause - 1, i, 0.9);
    const first = effects.start[number],
      last = Math.min(effects.start[number + 1], first + 60);
    for (let place = first; place < last; place++) tie(i, effects.list[place] - 1, 0.45);
  }
  context.globalAlpha = 1;
}

/** Draws a line from the end of a cause to the end of what it caused. */
function tie(cause, effect, alpha) {
  const from = yOf(cause),
    to = yOf(effect);
  if (from === null || to === null) return;
  context.globalAlpha = alpha;
  context.strokeStyle = colour.mark;
  context.lineWidth = 1.2;
  const x = xOf(events.at[cause]),
    toX = xOf(events.at[effect]);
  context.beginPath();
  context.moveTo(x, from);
  context.bezierCurveTo((x + toX) / 2, from, (x + toX) / 2, to, toX, to);
  context.stroke();
  if (Math.hypot(toX - x, to - from) > 12) arrowHead((x + toX) / 2, to, toX, to);
}

// Draws the picture and the overview.

const canvas = document.getElementById("picture"), overview = document.getElementById("overview");
const context = canvas.getContext("2d"), small = overview.getContext("2d");
let colour = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "panel", "ink", "dim", "faint", "rule", "hover", "bad", "good", "fault", "mark", "step", "step-edge", "on-bar", ...COLOURS];
  colour = Object.fromEntries(names.map(name => [name, style.getPropertyValue("--" + name).trim()]));
  colour.roles = [0, 1, 2, 3, 4, 5].map(n => style.getPropertyValue("--role-" + n).trim());
  colour.ofKind = categoryOf.map(category => colour[COLOURS[category]]);
  colour.ofKind[KIND.refuse] = colour.ofKind[KIND.lose] = colour.bad;
  colour.ofKind[KIND.blocked] = colour.bad;
}

function resize() {
  const scroll = document.getElementById("scroll"), ratio = devicePixelRatio || 1;
  layout.width = scroll.clientWidth;
  layout.height = scroll.clientHeight;
  for (const [element, width, height] of [[canvas, layout.width, layout.height], [overview, layout.width, 34]]) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    if (element === canvas) { element.style.width = width + "px"; element.style.height = height + "px"; }
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
  let shown = text, measured = context.measureText(text).width;
  if (measured > width) {
    const keep = Math.floor(text.length * width / measured) - 1;
    if (keep < 3) return 0;
    shown = text.slice(0, keep) + "…";
    measured = context.measureText(shown).width;
  }
  context.fillStyle = fill;
  context.fillText(shown, x, y);
  return measured;
}

function draw() {
  layout.scroll = document.getElementById("scroll").scrollTop;
  const { width, height } = layout;
  context.textBaseline = "middle";
  context.clearRect(0, 0, width, height);
  context.save();
  context.translate(0, -layout.scroll);
  drawStripes();
  context.save();
  context.beginPath();
  context.rect(GUTTER, layout.scroll + TOP, width - GUTTER, height);
  context.clip();
  drawFaults();
  drawLanes();
  if (view.showMessages && !view.hiddenCategories.has(2)) drawMessages();
  drawPath();
  drawSelection();
  drawWaits();
  drawMoments();
  context.restore();
  drawLabels();
  context.restore();
  drawAxis();
  drawOverview();
}

function drawStripes() {
  for (const lane of layout.lanes) {
    if (!lane) continue;
    context.fillStyle = colour.rule;
    context.fillRect(0, lane.y, layout.width, 1);
  }
}

function drawLabels() {
  for (const lane of layout.lanes) {
    if (!lane) continue;
    context.font = font(13, "600");
    const first = Object.values(lane.rows)[0];
    label(lane.name, 12, lane.y + PAD + 7, GUTTER - 16, colour.ink);
    context.font = font(11);
    context.textAlign = "right";
    for (const [name, row] of Object.entries(lane.rows)) {
      if (row === first && row.height < 30 && name !== "state") continue;
      if (ROWS[name].label) label(ROWS[name].label, GUTTER - 9, row.y + row.height / 2, GUTTER, colour.dim);
    }
    context.textAlign = "left";
  }
  context.font = font(13, "600");
  if (waitRow.count) label("waits", 12, layout.waits.y + 10, GUTTER, colour.ink);
  if (faultRow.count) label("faults", 12, layout.faults.y + 8, GUTTER, colour.ink);
}

/** Draws the times on top, over what scrolls. */
function drawAxis() {
  context.fillStyle = colour.panel;
  context.fillRect(0, 0, layout.width, TOP);
  context.fillStyle = colour.rule;
  context.fillRect(0, TOP - 1, layout.width, 1);
  const span = view.to - view.from, step = niceStep(span / Math.max(2, (layout.width - GUTTER) / 105));
  context.font = font(11);
  context.textAlign = "center";
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const x = xOf(at);
    context.fillStyle = colour.faint;
    context.fillRect(x, TOP - 5, 1, 5);
    const isCovered = source.headline.moments.some(moment => Math.abs(xOf(moment.at) - x) < 24);
    if (x > GUTTER + 12 && x < layout.width - 22 && !isCovered) { context.fillStyle = colour.dim; context.fillText(seconds(at, step), x, 11); }
  }
  context.textAlign = "left";
  // The moments' numbers.
  source.headline.moments.forEach((moment, index) => {
    const x = xOf(moment.at);
    if (x < GUTTER - 1 || x > layout.width) return;
    context.fillStyle = momentColour(moment);
    context.beginPath();
    context.arc(Math.min(Math.max(x, GUTTER + 8), layout.width - 9), 12, 8, 0, 7);
    context.fill();
    context.fillStyle = colour.panel;
    context.font = font(11, "600");
    context.textAlign = "center";
    context.fillText(index + 1, Math.min(Math.max(x, GUTTER + 8), layout.width - 9), 12.5);
    context.textAlign = "left";
  });
  if (view.pointer !== null) {
    const x = xOf(view.pointer), text = seconds(view.pointer, span / 1000);
    context.font = font(11, "600");
    const wide = context.measureText(text).width + 12;
    const left = Math.min(Math.max(x - wide / 2, GUTTER), layout.width - wide);
    context.fillStyle = colour.ink;
    context.fillRect(left, 3, wide, 17);
    context.fillStyle = colour.panel;
    context.fillText(text, left + 6, 12);
  }
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map(n => n * power).find(step => step >= least * 0.999) ?? power * 10;
}

const momentColour = moment => ({ deadline: colour.bad, failure: colour.bad, fault: colour.fault })[moment.mark] ?? colour.mark;

function drawMoments() {
  for (const moment of source.headline.moments) {
    const x = xOf(moment.at);
    if (x < GUTTER || x > layout.width) continue;
    context.strokeStyle = momentColour(moment);
    context.globalAlpha = moment.mark === "deadline" || moment.mark === "failure" ? 0.9 : 0.4;
    context.setLineDash(moment.mark === "deadline" || moment.mark === "failure" ? [] : [3, 4]);
    context.lineWidth = moment.mark === "deadline" || moment.mark === "failure" ? 1.5 : 1;
    line(x, layout.scroll + TOP, x, layout.content);
  }
  if (view.pointer !== null) {
    context.strokeStyle = colour.ink;
    context.globalAlpha = 0.25;
    context.setLineDash([]);
    context.lineWidth = 1;
    line(xOf(view.pointer), layout.scroll + TOP, xOf(view.pointer), layout.content);
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function line(x, y, toX, toY) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

function drawWaits() {
  context.font = font(12);
  for (let w = source.waits.length - 1; w >= 0; w--) {
    const wait = source.waits[w], y = layout.waits.y + waitRow[w] * WAIT_HEIGHT, end = wait.began + wait.length;
    const left = Math.max(xOf(wait.began), GUTTER - 2), right = Math.min(xOf(end), layout.width + 2);
    if (right < GUTTER || left > layout.width || right - left < 0.3 && w !== view.wait) continue;
    const isChosen = w === view.wait;
    context.globalAlpha = isChosen ? 1 : 0.55;
    context.fillStyle = colour.step;
    context.fillRect(left, y + 1, Math.max(1, right - left), WAIT_HEIGHT - 4);
    const late = xOf(wait.began + wait.deadline);
    if (wait.exceeded && late < right) {
      context.fillStyle = colour.bad;
      context.globalAlpha *= 0.8;
      context.fillRect(Math.max(late, left), y + 1, right - Math.max(late, left), WAIT_HEIGHT - 4);
      context.globalAlpha = isChosen ? 1 : 0.55;
      label(`+${lengthOf(wait.length - wait.deadline)}`, Math.max(late, left) + 5, y + WAIT_HEIGHT / 2 - 0.5, right - Math.max(late, left) - 6, colour.panel);
    }
    if (isChosen) {
      context.strokeStyle = wait.exceeded ? colour.bad : colour.good;
      context.lineWidth = 1.5;
      context.strokeRect(left, y + 1, Math.max(2, right - left), WAIT_HEIGHT - 4);
    }
    context.globalAlpha = 1;
    const text = `${wait.exceeded ? "✗" : "✓"} ${wait.name} on ${wait.node}: ${lengthOf(wait.length)}${wait.ended ? "" : " and more"}, deadline ${lengthOf(wait.deadline)}`;
    const room = (wait.exceeded ? Math.min(late, right) : right) - left;
    label(text, left + 6, y + WAIT_HEIGHT / 2 - 0.5, room - 10, wait.exceeded ? colour.bad : colour.dim);
  }
}

function drawFaults() {
  context.font = font(11);
  source.faults.forEach((fault, index) => {
    const left = xOf(fault.from), right = Math.max(xOf(fault.to), left + 2);
    if (right < GUTTER || left > layout.width) return;
    context.fillStyle = colour.fault;
    for (const at of fault.lanes) {
      const lane = layout.lanes[at];
      if (!lane) continue;
      context.globalAlpha = 0.11;
      context.fillRect(left, lane.y + 1, right - left, lane.height - 1);
      context.globalAlpha = 0.6;
      context.fillRect(left, lane.y + 1, 1, lane.height - 1);
    }
    const y = layout.faults.y + faultRow[index] * FAULT_HEIGHT;
    context.globalAlpha = 0.75;
    context.fillRect(left, y, right - left, FAULT_HEIGHT - 3);
    context.globalAlpha = 1;
    const from = Math.max(left, GUTTER);
    const others = source.faults.filter((other, place) => faultRow[place] === faultRow[index] && other.from > fault.from);
    const room = Math.min(layout.width, ...others.map(other => xOf(other.from))) - from;
    const inside = right - from;
    if (context.measureText(fault.text).width + 8 < inside) label(fault.text, from + 4, y + 7, inside, colour.panel);
    else label(fault.text, right + 4, y + 7, room - inside - 8, colour.fault);
  });
}

/** The part of a row's events that can be visible. */
function visible(row) {
  return [lowerBound(row.at, view.from), lowerBound(row.at, view.to + row.longest)];
}

function drawLanes() {
  for (const lane of layout.lanes) {
    if (!lane || lane.y > layout.scroll + layout.height || lane.y + lane.height < layout.scroll) continue;
    drawState(lane);
    if (lane.rows.steps) drawSteps(lane, lane.rows.steps);
    for (const name of ["disk", "cpu", "network", "pauses"]) if (lane.rows[name]) drawBars(lane, name, lane.rows[name]);
  }
}

function drawState(lane) {
  const row = lane.rows.state;
  if (!row) return;
  const middle = row.y + row.height / 2;
  const clip = (from, to) => [Math.max(xOf(from), GUTTER), Math.min(xOf(to), layout.width)];
  const [start, end] = clip(0, source.ended);
  context.fillStyle = colour.good;
  context.globalAlpha = 0.55;
  context.fillRect(start, middle - 1.5, end - start, 3);
  context.globalAlpha = 1;
  context.font = font(11);
  for (const role of source.roles) {
    if (role.lane !== lane.lane) continue;
    const [left, right] = clip(role.from, role.to);
    if (right <= left) continue;
    context.fillStyle = colour.roles[role.term % colour.roles.length];
    context.fillRect(left, row.y, right - left, row.height);
    label(`${role.component}: leader, term ${role.term}`, left + 5, middle + 0.5, right - left - 8, colour.ink);
  }
  for (const life of source.lives) {
    if (life.lane !== lane.lane) continue;
    let [left, right] = clip(life.from, life.to);
    if (right < GUTTER || left > layout.width) continue;
    right = Math.max(right, left + 2);
    if (life.state !== "cut-off") {
      context.fillStyle = colour.panel;
      context.fillRect(left, row.y - 1, right - left, row.height + 2);
    }
    if (life.state === "down") {
      context.strokeStyle = colour.bad;
      context.lineWidth = 1;
      context.setLineDash([3, 3]);
      line(left, middle, right, middle);
      context.setLineDash([]);
      context.lineWidth = 1.8;
      line(left - 3, middle - 4, left + 4, middle + 4);
      line(left - 3, middle + 4, left + 4, middle - 4);
      const text = `down, ${life.why}`, wide = context.measureText(text).width;
      if (wide + 20 < right - left) {
        context.fillStyle = colour.panel;
        context.fillRect(left + 7, row.y, wide + 6, row.height);
        label(text, left + 10, middle + 0.5, wide + 2, colour.bad);
      }
    } else if (life.state === "paused") {
      context.strokeStyle = colour.dim;
      context.lineWidth = 1;
      context.save();
      context.beginPath();
      context.rect(left, row.y, right - left, row.height);
      context.clip();
      for (let x = left - row.height; x < right; x += 6) line(x, row.y + row.height, x + row.height, row.y);
      context.restore();
      if (right - left > 50) {
        context.fillStyle = colour.panel;
        context.fillRect(left + 4, row.y, 44, row.height);
        label("paused", left + 7, middle + 0.5, right - left, colour.ink);
      }
    } else {
      context.strokeStyle = colour.fault;
      context.lineWidth = 2;
      context.setLineDash([2, 3]);
      line(left, row.y + row.height, right, row.y + row.height);
      context.setLineDash([]);
    }
  }
}

/** How strong an event is drawn: full on the critical path and for matches, weaker off it. */
function strength(i) {
  if (view.matches) return view.matches[i] ? 1 : 0.15;
  return !view.path.length || view.onPath[i] ? 1 : 0.42;
}

function drawSteps(lane, row) {
  const of = rows[lane.lane].steps, [first, end] = visible(of);
  const lastRight = new Float64Array(8).fill(-1e9), labelled = new Float64Array(8).fill(-1e9);
  context.font = font(11.5);
  const instants = [];
  for (let place = first; place < end; place++) {
    const i = of.events[place];
    if (!isShown(i)) continue;
    if (events.kind[i] === KIND.note || events.took[i] === 0) { instants.push(i); continue; }
    const left = xOf(beganAt(i)), right = xOf(events.at[i]), at = level[i];
    if (left > layout.width || right < lastRight[at] + 0.5 && right - left < 1) continue;
    lastRight[at] = right;
    const y = row.y + at * row.level, wide = Math.max(right - left - 1, 1);
    context.globalAlpha = view.matches ? strength(i) : 1;
    context.fillStyle = colour.step;
    context.fillRect(left, y, wide, row.level - 2);
    context.fillStyle = colour["step-edge"];
    context.fillRect(left, y, 1, row.level - 2);
    if (wide > 26) label(subjectOf(i), Math.max(left, GUTTER) + 5, y + row.level / 2 - 0.5, Math.min(right, layout.width) - Math.max(left, GUTTER) - 9, colour.ink);
    labelled[at] = right;
  }
  // Instants: a mark each, and the text where there is room below the bars' labels.
  let last = -1e9;
  for (const i of instants) {
    const x = xOf(events.at[i]);
    if (x < last + 2) continue;
    last = x;
    const bad = subjectOf(i).startsWith("violated ") || subjectOf(i).startsWith("fault: ");
    context.globalAlpha = strength(i) < 0.3 ? 0.3 : 1;
    context.fillStyle = bad ? colour.bad : colour.mark;
    diamond(x, row.y + row.height - 3, 4);
  }
  context.globalAlpha = 1;
}

function diamond(x, y, size) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}

function drawBars(lane, name, row) {
  const of = rows[lane.lane][name], [first, end] = visible(of), tall = row.level - (name === "network" ? 4 : 1);
  // What each level's last pixel shows, so that thousands of short events are drawn once per pixel.
  const lastPixel = new Int32Array(8).fill(-1), lastStrength = new Float64Array(8);
  for (let place = first; place < end; place++) {
    const i = of.events[place];
    const left = xOf(beganAt(i)), right = xOf(events.at[i]);
    if (left > layout.width || right < GUTTER || !isShown(i)) continue;
    const at = level[i], kind = events.kind[i], wide = right - left, full = strength(i);
    if (wide < 1) {
      const pixel = Math.floor(right);
      if (pixel === lastPixel[at] && full <= lastStrength[at] && kind !== KIND.lose) continue;
      lastPixel[at] = pixel;
      lastStrength[at] = full;
    }
    context.globalAlpha = full;
    context.fillStyle = colour.ofKind[kind];
    const y = row.y + at * row.level;
    if (name === "network" && kind !== KIND.stall && kind !== KIND.connect) {
      // Messages are arrows; here are the marks of where they leave and arrive, and of refusals.
      if (kind === KIND.refuse) context.fillRect(right - 1, y + 1, 2, tall);
      else context.fillRect(right - 0.5, y + tall / 2 - 1, 1.5, 4);
    } else {
      context.fillRect(left, y, Math.max(wide, 1), tall);
      if (wide > 60 && row.level > 11 && (name === "disk" || name === "cpu")) {
        context.globalAlpha = Math.max(full, view.matches ? 0 : 0.75);
        const from = Math.max(left, GUTTER), text = `${name === "disk" ? kindName[kind] + " " : ""}${subjectOf(i)}  ${lengthOf(events.took[i])}`;
        context.font = font(Math.min(11.5, row.level - 3));
        label(text, from + 4, y + (tall - 2) / 2, Math.min(right, layout.width) - from - 8, full > 0.9 ? (kind === KIND.blocked ? colour.panel : colour["on-bar"]) : colour.ink);
      }
    }
  }
  context.globalAlpha = 1;
}

/** The vertical place of a lane's messages. */
function messageY(lane) {
  const placed = layout.lanes[lane];
  if (!placed) return null;
  const row = placed.rows.network;
  return row ? row.y + row.height / 2 : placed.y + PAD + 6;
}

function drawMessages() {
  const { sent, arrived, state } = messages, count = sent.length;
  const first = lowerBound(arrived, view.from), end = lowerBound(arrived, view.to + messages.longest);
  const many = end - first > 400, pixels = new Set();
  const faint = Math.max(0.035, Math.min(0.16, 150 / (end - first)));
  context.lineWidth = 1;
  for (let m = first; m < Math.min(end, count); m++) {
    if (sent[m] > view.to) continue;
    const from = messageY(messages.from[m]), to = messageY(messages.to[m]);
    if (from === null || to === null) continue;
    const left = xOf(sent[m]), right = xOf(arrived[m]), i = messages.deliver[m] - 1;
    if (state[m] === ARRIVED && many) {
      const pixel = (Math.floor(right) * 64 + messages.from[m]) * 64 + messages.to[m];
      if (pixels.has(pixel)) continue;
      pixels.add(pixel);
    }
    const isChosen = view.onPath[i] || view.matches?.[i];
    context.globalAlpha = view.matches ? (view.matches[i] ? 1 : 0.08) : view.onPath[i] ? 1 : many ? faint : 0.5;
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

function arrowHead(x, y, toX, toY) {
  const angle = Math.atan2(toY - y, toX - x);
  context.fillStyle = context.strokeStyle;
  context.beginPath();
  context.moveTo(toX, toY);
  context.lineTo(toX - 6 * Math.cos(angle - 0.4), toY - 6 * Math.sin(angle - 0.4));
  context.lineTo(toX - 6 * Math.cos(angle + 0.4), toY - 6 * Math.sin(angle + 0.4));
  context.fill();
}

/** Draws the critical path: along the bar of each segment's event, and from lane to lane between them. */
function drawPath() {
  if (!view.path.length) return;
  const from = lowerBoundOf(view.path, view.from), points = [];
  let drawn = -1e9;
  for (let place = from; place < view.path.length; place++) {
    const { from: begins, to, i } = view.path[place];
    if (begins > view.to) break;
    const y = pathY(i);
    if (y === null) continue;
    const left = xOf(begins), right = xOf(to);
    // Of segments shorter than a pixel every third pixel shows one; all of them would be a block.
    if (right - left < 1 && right - drawn < 3 && place < view.path.length - 1) continue;
    drawn = right;
    const isMessage = events.kind[i] === KIND.deliver;
    if (!isMessage) points.push([left, y]);
    points.push([right, y]);
  }
  for (const [style, width] of [[colour.panel, 5], [colour.ink, 2]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.lineJoin = "round";
    context.globalAlpha = width === 5 ? 0.75 : 1;
    context.beginPath();
    points.forEach(([x, y], index) => index ? context.lineTo(x, y) : context.moveTo(x, y));
    context.stroke();
  }
  context.globalAlpha = 1;
}

function lowerBoundOf(path, at) {
  let place = 0, end = path.length;
  while (place < end) { const middle = (place + end) >> 1; if (path[middle].to < at) place = middle + 1; else end = middle; }
  return place;
}

function drawSelection() {
  for (const [number, weight] of [[view.hovered, 1], [view.selected, 2]]) {
    if (!number) continue;
    const i = number - 1, y = yOf(i);
    if (y === null) continue;
    const left = xOf(beganAt(i)), right = xOf(events.at[i]);
    context.strokeStyle = colour.mark;
    context.lineWidth = weight;
    context.strokeRect(left - 2, y - 8, Math.max(right - left, 1) + 4, 16);
    if (weight === 1) continue;
    const cause = events.cause[i];
    if (cause) tie(cause - 1, i, 0.9);
    const first = effects.start[number], last = Math.min(effects.start[number + 1], first + 60);
    for (let place = first; place < last; place++) tie(i, effects.list[place] - 1, 0.45);
  }
  context.globalAlpha = 1;
}

/** Draws a line from the end of a cause to the end of what it caused. */
function tie(cause, effect, alpha) {
  const from = yOf(cause), to = yOf(effect);
  if (from === null || to === null) return;
  context.globalAlpha = alpha;
  context.strokeStyle = colour.mark;
  context.lineWidth = 1.2;
  const x = xOf(events.at[cause]), toX = xOf(events.at[effect]);
  context.beginPath();
  context.moveTo(x, from);
  context.bezierCurveTo((x + toX) / 2, from, (x + toX) / 2, to, toX, to);
  context.stroke();
  if (Math.hypot(toX - x, to - from) > 12) arrowHead((x + toX) / 2, to, toX, to);
}

// The overview of the whole run.

const bins = 1000, density = new Float64Array(bins), syncs = new Float64Array(bins);
for (let i = 0; i < eventCount; i++) {
  density[Math.min(bins - 1, Math.floor(events.at[i] / whole.to * bins))]++;
  if (categoryOf[events.kind[i]] === 0) {
    const from = Math.floor(beganAt(i) / whole.to * bins), to = Math.min(bins - 1, Math.floor(events.at[i] / whole.to * bins));
    for (let bin = from; bin <= to; bin++) syncs[bin] = 1;
  }
}
const densest = Math.log1p(Math.max(1, ...density));

function drawOverview() {
  const width = layout.width, wide = width - GUTTER, x = at => GUTTER + at / whole.to * wide;
  small.clearRect(0, 0, width, 34);
  small.font = font(11);
  small.textBaseline = "middle";
  small.fillStyle = colour.dim;
  small.fillText("whole run", 12, 17);
  for (const fault of source.faults) {
    small.fillStyle = colour.fault;
    small.globalAlpha = 0.18;
    small.fillRect(x(fault.from), 0, Math.max(1, x(fault.to) - x(fault.from)), 34);
  }
  small.globalAlpha = 1;
  for (let bin = 0; bin < bins; bin++) {
    if (!density[bin] && !syncs[bin]) continue;
    const left = GUTTER + bin / bins * wide, tall = Math.log1p(density[bin]) / densest * 20;
    small.fillStyle = colour.faint;
    small.fillRect(left, 27 - tall, wide / bins + 0.4, tall);
    if (syncs[bin]) { small.fillStyle = colour.sync; small.fillRect(left, 28, wide / bins + 0.4, 4); }
  }
  if (view.matches) {
    small.fillStyle = colour.mark;
    let last = -1;
    for (const number of view.matching) {
      const at = Math.floor(x(events.at[number - 1]));
      if (at !== last) small.fillRect(last = at, 1, 1, 6);
    }
  }
  const wait = source.waits[view.wait];
  if (wait?.exceeded) { small.fillStyle = colour.bad; small.fillRect(x(wait.began + wait.deadline), 0, 1.5, 34); }
  const left = x(view.from), right = x(view.to);
  small.fillStyle = colour.mark;
  small.globalAlpha = 0.1;
  small.fillRect(left, 0, right - left, 34);
  small.globalAlpha = 1;
  small.strokeStyle = colour.mark;
  small.lineWidth = 1.5;
  small.strokeRect(left + 0.75, 0.75, Math.max(2, right - left - 1.5), 32.5);
}

// The lanes: states of processes, steps, and operations as bars.

/** The part of a row's events that can be visible. */
function visible(row) {
  return [lowerBound(row.at, view.from), lowerBound(row.at, view.to + row.longest)];
}

function drawLanes() {
  for (const lane of layout.lanes) {
    if (!lane || lane.y > layout.scroll + layout.height || lane.y + lane.height < layout.scroll) continue;
    drawState(lane);
    if (lane.rows.steps) drawSteps(lane, lane.rows.steps);
    for (const name of ["disk", "cpu", "network", "pauses"])
      if (lane.rows[name]) drawBars(lane, name, lane.rows[name]);
    drawLines(lane);
  }
}

/** Draws what the code has logged as ticks at the lower edge of the lane. */
function drawLines(lane) {
  const most = LEVELS.indexOf(byId("level").value);
  // Of several lines of a pixel the most severe one is seen.
  const severest = new Map();
  for (const line of linesOfLane[lane.lane]) {
    const severity = LEVELS.indexOf(line.level),
      pixel = Math.round(xOf(line.at));
    if (pixel < GUTTER || pixel > layout.width || severity > most) continue;
    severest.set(pixel, Math.min(severity, severest.get(pixel) ?? severity));
  }
  for (const [pixel, severity] of severest) {
    context.fillStyle = [colour.bad, colour.sync, colour.mark][severity] ?? colour.dim;
    context.fillRect(pixel, lane.y + lane.height - 7, 1.5, 6);
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
    label(
      `${role.component}: leader, term ${role.term}`,
      left + 5,
      middle + 0.5,
      right - left - 8,
      colour.ink,
    );
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
      const text = `down, ${life.why}`,
        wide = context.measureText(text).width;
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
  const of = rows[lane.lane].steps,
    [first, end] = visible(of);
  const lastRight = new Float64Array(8).fill(-1e9),
    labelled = new Float64Array(8).fill(-1e9);
  context.font = font(11.5);
  const instants = [];
  for (let place = first; place < end; place++) {
    const i = of.events[place];
    if (!isShown(i)) continue;
    if (events.kind[i] === KIND.note || events.took[i] === 0) {
      instants.push(i);
      continue;
    }
    const left = xOf(beganAt(i)),
      right = xOf(events.at[i]),
      at = level[i];
    if (left > layout.width || (right < lastRight[at] + 0.5 && right - left < 1)) continue;
    lastRight[at] = right;
    const y = row.y + at * row.level,
      wide = Math.max(right - left - 1, 1);
    context.globalAlpha = view.matches ? strength(i) : 1;
    context.fillStyle = colour.step;
    context.fillRect(left, y, wide, row.level - 2);
    context.fillStyle = colour["step-edge"];
    context.fillRect(left, y, 1, row.level - 2);
    if (wide > 26)
      label(
        subjectOf(i),
        Math.max(left, GUTTER) + 5,
        y + row.level / 2 - 0.5,
        Math.min(right, layout.width) - Math.max(left, GUTTER) - 9,
        colour.ink,
      );
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

function drawBars(lane, name, row) {
  const of = rows[lane.lane][name],
    [first, end] = visible(of),
    tall = row.level - (name === "network" ? 4 : 1);
  // What each level's last pixel shows, so that thousands of short events are drawn once per pixel.
  const lastPixel = new Int32Array(8).fill(-1),
    lastStrength = new Float64Array(8);
  for (let place = first; place < end; place++) {
    const i = of.events[place];
    const left = xOf(beganAt(i)),
      right = xOf(events.at[i]);
    if (left > layout.width || right < GUTTER || !isShown(i)) continue;
    const at = level[i],
      kind = events.kind[i],
      wide = right - left,
      full = strength(i);
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
        const from = Math.max(left, GUTTER),
          text = `${name === "disk" ? kindName[kind] + " " : ""}${subjectOf(i)}  ${lengthOf(events.took[i])}`;
        context.font = font(Math.min(11.5, row.level - 3));
        label(
          text,
          from + 4,
          y + (tall - 2) / 2,
          Math.min(right, layout.width) - from - 8,
          full > 0.9 ? (kind === KIND.blocked ? colour.panel : colour["on-bar"]) : colour.ink,
        );
      }
    }
  }
  context.globalAlpha = 1;
}

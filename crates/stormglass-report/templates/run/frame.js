// What surrounds the lanes: labels, the axis of time, moments, waits and faults.

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
  if (source.chance) {
    label("chance", 12, layout.chance.y + 18, GUTTER, colour.ink);
    label("of failing", 12, layout.chance.y + 34, GUTTER, colour.ink);
  }
}

/** Draws the times on top, over what scrolls. */
function drawAxis() {
  context.fillStyle = colour.panel;
  context.fillRect(0, 0, layout.width, TOP);
  context.fillStyle = colour.rule;
  context.fillRect(0, TOP - 1, layout.width, 1);
  const span = view.to - view.from,
    step = niceStep(span / Math.max(2, (layout.width - GUTTER) / 105));
  context.font = font(11);
  context.textAlign = "center";
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const x = xOf(at);
    context.fillStyle = colour.faint;
    context.fillRect(x, TOP - 5, 1, 5);
    const isCovered = source.headline.moments.some(moment => Math.abs(xOf(moment.at) - x) < 24);
    if (x > GUTTER + 12 && x < layout.width - 22 && !isCovered) {
      context.fillStyle = colour.dim;
      context.fillText(seconds(at, step), x, 11);
    }
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
    const x = xOf(view.pointer),
      text = seconds(view.pointer, span / 1000);
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

const momentColour = moment =>
  ({ deadline: colour.bad, failure: colour.bad, fault: colour.fault })[moment.mark] ?? colour.mark;

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

function drawWaits() {
  context.font = font(12);
  for (let w = source.waits.length - 1; w >= 0; w--) {
    const wait = source.waits[w],
      y = layout.waits.y + waitRow[w] * WAIT_HEIGHT,
      end = wait.began + wait.length;
    const left = Math.max(xOf(wait.began), GUTTER - 2),
      right = Math.min(xOf(end), layout.width + 2);
    if (right < GUTTER || left > layout.width || (right - left < 0.3 && w !== view.wait)) continue;
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
      label(
        `+${lengthOf(wait.length - wait.deadline)}`,
        Math.max(late, left) + 5,
        y + WAIT_HEIGHT / 2 - 0.5,
        right - Math.max(late, left) - 6,
        colour.panel,
      );
    }
    if (isChosen) {
      context.strokeStyle = wait.exceeded ? colour.bad : colour.good;
      context.lineWidth = 1.5;
      context.strokeRect(left, y + 1, Math.max(2, right - left), WAIT_HEIGHT - 4);
    }
    context.globalAlpha = 1;
    const text = `${waitText(wait)}, deadline ${lengthOf(wait.deadline)}`;
    const room = (wait.exceeded ? Math.min(late, right) : right) - left;
    label(text, left + 6, y + WAIT_HEIGHT / 2 - 0.5, room - 10, wait.exceeded ? colour.bad : colour.dim);
  }
}

function drawFaults() {
  context.font = font(11);
  source.faults.forEach((fault, index) => {
    const left = xOf(fault.from),
      right = Math.max(xOf(fault.to), left + 2);
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
    const others = source.faults.filter(
      (other, place) => faultRow[place] === faultRow[index] && other.from > fault.from,
    );
    const room = Math.min(layout.width, ...others.map(other => xOf(other.from))) - from;
    const inside = right - from;
    if (context.measureText(fault.text).width + 8 < inside)
      label(fault.text, from + 4, y + 7, inside, colour.panel);
    else label(fault.text, right + 4, y + 7, room - inside - 8, colour.fault);
  });
}

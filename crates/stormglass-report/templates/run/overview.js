// The overview of the whole run.

const bins = 1000,
  density = new Float64Array(bins),
  syncs = new Float64Array(bins);
for (let i = 0; i < eventCount; i++) {
  density[Math.min(bins - 1, Math.floor((events.at[i] / whole.to) * bins))]++;
  if (categoryOf[events.kind[i]] === 0) {
    const from = Math.floor((beganAt(i) / whole.to) * bins),
      to = Math.min(bins - 1, Math.floor((events.at[i] / whole.to) * bins));
    for (let bin = from; bin <= to; bin++) syncs[bin] = 1;
  }
}
const densest = Math.log1p(Math.max(1, ...density));

function drawOverview() {
  const width = layout.width,
    wide = width - GUTTER,
    x = at => GUTTER + (at / whole.to) * wide;
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
    const left = GUTTER + (bin / bins) * wide,
      tall = (Math.log1p(density[bin]) / densest) * 20;
    small.fillStyle = colour.faint;
    small.fillRect(left, 27 - tall, wide / bins + 0.4, tall);
    if (syncs[bin]) {
      small.fillStyle = colour.sync;
      small.fillRect(left, 28, wide / bins + 0.4, 4);
    }
  }
  if (view.matches) {
    small.fillStyle = colour.mark;
    let last = -1;
    for (const entry of view.found) {
      const at = Math.floor(x(atOf(entry)));
      if (at !== last) small.fillRect((last = at), 1, 1, 6);
    }
  }
  const wait = source.waits[view.wait];
  if (wait?.exceeded) {
    small.fillStyle = colour.bad;
    small.fillRect(x(wait.began + wait.deadline), 0, 1.5, 34);
  }
  const left = x(view.from),
    right = x(view.to);
  small.fillStyle = colour.mark;
  small.globalAlpha = 0.1;
  small.fillRect(left, 0, right - left, 34);
  small.globalAlpha = 1;
  small.strokeStyle = colour.mark;
  small.lineWidth = 1.5;
  small.strokeRect(left + 0.75, 0.75, Math.max(2, right - left - 1.5), 32.5);
}

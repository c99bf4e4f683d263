// The state of the view: the time that it shows, what is chosen, filtered and found, and where the lanes are.

const whole = { from: 0, to: Math.max(source.ended * 1.02, 1000) };
const SHORTEST = 100;

/** The failure that is no wait's: its moment, if an event reports it. What led to it is then drawn first. */
const failure = source.headline.moments.find(moment => moment.mark === "failure" && moment.event) ?? null;
const firstWait = failure ? null : source.chosen;

const view = {
  from: whole.from,
  to: whole.to,
  /** The number of the selected event; 0 for none. */
  selected: 0,
  /** The number of the selected line of the log; 0 for none. */
  selectedLine: 0,
  /** The event under the pointer; 0 for none. */
  hovered: 0,
  /** The time under the pointer, or null. */
  pointer: null,
  wait: firstWait,
  path: [],
  onPath: new Uint8Array(eventCount),
  hiddenCategories: new Set(),
  hiddenNodes: new Set(),
  showMessages: true,
  /** Whether each event matches the search; null without a search. */
  matches: null,
  matching: [],
  /** The entries of the log that match: events and lines, in their order. */
  found: [],
  /** Whether each line of the log matches the search; null without a search. */
  lineMatches: null,
};

const listeners = [];
/** Calls a function after each change of the view, once per frame. */
function onChange(listener) {
  listeners.push(listener);
}
let isScheduled = false;
function changed() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    listeners.forEach(listener => listener());
  });
}

function show(from, to) {
  const length = Math.min(Math.max(to - from, SHORTEST), whole.to - whole.from);
  const start = Math.min(Math.max(from, whole.from), whole.to - length);
  view.from = start;
  view.to = start + length;
  changed();
}

function zoom(factor, around = (view.from + view.to) / 2) {
  const length = Math.min(Math.max((view.to - view.from) * factor, SHORTEST), whole.to - whole.from);
  const share = (around - view.from) / (view.to - view.from);
  show(around - share * length, around + (1 - share) * length);
}

function pan(share) {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}

/** Moves the view so that a time is in it, in the middle if it was not. */
function reveal(at, from = at) {
  const length = view.to - view.from;
  if (at >= view.from + length * 0.02 && at <= view.to - length * 0.02) return changed();
  const middle = at - from > length ? at : (at + from) / 2;
  show(middle - length / 2, middle + length / 2);
}

function select(number, { move = true } = {}) {
  view.selected = number;
  view.selectedLine = 0;
  if (number && move) {
    reveal(events.at[number - 1], beganAt(number - 1));
    revealRow(number - 1);
  }
  changed();
}

/** Selects a line of the log. */
function selectLine(number) {
  view.selected = 0;
  view.selectedLine = number;
  if (number) reveal(lineOf(-number).at);
  changed();
}

/** Draws the critical path of a wait, or with null of the failure. */
function chooseWait(w) {
  view.wait = w;
  view.onPath.fill(0);
  const wait = source.waits[w];
  view.path = wait ? pathTo(wait.end, wait.began) : failure ? pathTo(failure.event, 0) : [];
  for (const { i } of view.path) view.onPath[i] = 1;
  changed();
}

/** Whether an event is shown under the filters. */
const isShown = i =>
  !view.hiddenCategories.has(categoryOf[events.kind[i]]) && !view.hiddenNodes.has(laneOf(i));

/** Finds the events and the lines of the log whose text contains each word. */
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  view.matching = [];
  view.found = [];
  view.matches = null;
  view.lineMatches = null;
  if (words.length) {
    // Which words each string, kind and pair of node and task contains, as bits.
    const bits = text =>
      words.reduce((found, word, bit) => (text.toLowerCase().includes(word) ? found | (1 << bit) : found), 0);
    const ofSymbol = source.symbols.map(bits),
      ofKind = kindName.map(bits);
    const ofScope = source.scopes.map(([node, task]) => ofSymbol[node] | ofSymbol[task]);
    const all = (1 << words.length) - 1;
    view.lineMatches = source.log.map(line => {
      const of = ofSymbol[line.node] | ofSymbol[line.task] | bits(line.text);
      return of === all;
    });
    view.matches = new Uint8Array(eventCount);
    for (let i = 0; i < eventCount; i++) {
      if ((ofSymbol[events.subject[i]] | ofKind[events.kind[i]] | ofScope[events.scope[i]]) === all) {
        view.matches[i] = 1;
        view.matching.push(i + 1);
      }
    }
    const lines = [];
    view.lineMatches.forEach((matches, k) => matches && lines.push(k));
    view.found = merged(
      view.matching.map(number => number - 1),
      lines,
    );
  }
  changed();
}

/** Selects the next event or line that matches, after the selection, or the one before it. */
function step(forwards) {
  const found = view.found;
  if (!found.length) return;
  // The order is that of the log: a line comes before the event at index `after`.
  const orderOf = entry => (isLine(entry) ? [lineOf(entry).after - 0.5, -entry] : [entry, 0]);
  const here = view.selectedLine
    ? orderOf(-view.selectedLine)
    : view.selected
      ? orderOf(view.selected - 1)
      : [lowerBound(events.at, view.from) - 0.75, 0];
  const isBefore = (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
  const placeOf = isLow => {
    let from = 0,
      to = found.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (isLow(orderOf(found[middle]))) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  const after = placeOf(order => !isBefore(here, order)),
    before = placeOf(order => isBefore(order, here)) - 1;
  const entry = forwards ? found[after % found.length] : found[(before + found.length) % found.length];
  if (isLine(entry)) selectLine(-entry);
  else select(entry + 1);
}

// The layout.

const GUTTER = 104,
  TOP = 26,
  PAD = 9;
/** How many times as high as their least height rows are at most, where there is room. */
const TALLEST = 3;
const layout = {
  width: 0,
  height: 0,
  content: 0,
  scroll: 0,
  scale: 1,
  lanes: [],
  waits: { y: 0, height: 0 },
  faults: { y: 0, height: 0 },
  chance: { y: 0, height: 0 },
};
const WAIT_HEIGHT = 20,
  FAULT_HEIGHT = 17,
  FAULT_ROWS = 3,
  CHANCE_HEIGHT = 58;

/** The rows of the faults' labels, so that they do not cover each other. */
const faultRow = (() => {
  const ends = [],
    row = source.faults.map(fault => {
      let place = 0;
      while (place < FAULT_ROWS - 1 && (ends[place] ?? -1) > fault.from) place++;
      ends[place] = Math.max(ends[place] ?? 0, fault.to, fault.from + whole.to * 0.03);
      return place;
    });
  row.count = ends.length;
  return row;
})();

/** Computes where each lane and row is, from the top of the content. Rows are higher if there is room. */
function arrange() {
  place(1);
  if (layout.content < layout.height) {
    const fixed = layout.waits.height + layout.faults.height + layout.chance.height + TOP + 20;
    place(Math.min(TALLEST, (layout.height - fixed) / (layout.content - fixed)));
  }
}

function place(scale) {
  layout.scale = scale;
  const gap = 3 * scale,
    pad = PAD * Math.sqrt(scale);
  let y = TOP + 6;
  layout.waits = { y, height: waitRow.count * WAIT_HEIGHT };
  y += layout.waits.height + (waitRow.count ? 6 : 0);
  layout.faults = { y, height: faultRow.count * FAULT_HEIGHT };
  y += layout.faults.height + (faultRow.count ? 4 : 0);
  layout.chance = { y, height: source.chance ? CHANCE_HEIGHT : 0 };
  y += layout.chance.height;
  layout.lanes = source.lanes.map((name, lane) => {
    if (view.hiddenNodes.has(lane)) return null;
    const top = y,
      placed = {};
    y += pad;
    for (const rowName of ROW_NAMES) {
      const row = rows[lane][rowName],
        height =
          ROWS[rowName].height * (rowName === "state" || rowName === "steps" ? Math.sqrt(scale) : scale);
      if (rowName === "state" ? !hasState(lane) : row.events.length === 0) continue;
      placed[rowName] = { y, height: height * row.levels, level: height };
      y += height * row.levels + gap;
    }
    y = Math.max(y, top + pad + 16);
    y += pad - gap;
    return { name, lane, y: top, height: y - top, rows: placed };
  });
  layout.content = y + 4;
}
/** Whether a lane is a node's, with processes, and not only the harness's. */
function hasState(lane) {
  const isIn = list => list.some(entry => entry.lane === lane);
  return (
    isIn(source.lives) ||
    isIn(source.roles) ||
    rows[lane].disk.events.length > 0 ||
    rows[lane].steps.longest > 0
  );
}

const xOf = at => GUTTER + ((at - view.from) / (view.to - view.from)) * (layout.width - GUTTER);
const timeAt = x => view.from + ((x - GUTTER) / (layout.width - GUTTER)) * (view.to - view.from);

/** Where the critical path runs along an event's bar: near its lower edge, so that its label can be read. */
function pathY(i) {
  const lane = layout.lanes[laneOf(i)],
    name = rowOfKind[events.kind[i]];
  const row = lane && name && lane.rows[name];
  return row && (name === "disk" || name === "cpu") ? row.y + (level[i] + 1) * row.level - 2.5 : yOf(i);
}

/** The middle of an event's bar, from the top of the content; null if it has none. */
function yOf(i) {
  const lane = layout.lanes[laneOf(i)],
    name = rowOfKind[events.kind[i]];
  if (!lane) return null;
  const row = name && lane.rows[name];
  return row ? row.y + (level[i] + 0.5) * row.level : lane.y + PAD + 6;
}

/** Scrolls so that the lane of an event is visible. */
function revealRow(i) {
  const lane = layout.lanes[laneOf(i)];
  if (!lane) return;
  const scroll = document.getElementById("scroll");
  if (lane.y < scroll.scrollTop + TOP) scroll.scrollTop = lane.y - TOP;
  else if (lane.y + lane.height > scroll.scrollTop + scroll.clientHeight)
    scroll.scrollTop = lane.y + lane.height - scroll.clientHeight;
}

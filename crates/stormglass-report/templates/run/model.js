// What the picture shows: the row of each event, messages, paths, and who caused what.

/** The rows of a lane, from top to bottom: their label, the height of a level, and the most levels. */
const ROWS = {
  state: { label: "", height: 14, most: 1 },
  steps: { label: "steps", height: 18, most: 3 },
  disk: { label: "disk", height: 10, most: 4 },
  cpu: { label: "cpu", height: 9, most: 2 },
  network: { label: "network", height: 12, most: 1 },
  pauses: { label: "pauses", height: 8, most: 1 },
};
const ROW_NAMES = Object.keys(ROWS);

/** The row of each kind; kinds of no row are in the log only. */
const rowOfKind = kindName.map((name, kind) => {
  if (name === "step" || name === "note") return "steps";
  if (name === "blocked") return "cpu";
  if (name === "lock") return "pauses";
  if (name === "tick" || name === "sleep") return "pauses";
  return { 0: "disk", 1: "disk", 2: "network", 5: "cpu" }[categoryOf[kind]] ?? null;
});

const KIND = Object.fromEntries(
  [
    "send",
    "deliver",
    "lose",
    "stall",
    "refuse",
    "step",
    "note",
    "wait",
    "waited",
    "status",
    "blocked",
    "connect",
  ].map(name => [name, kindOf(name)]),
);

const laneOfSymbol = new Map(source.lane_of);
const laneOfName = new Map(source.lanes.map((name, lane) => [name, lane]));
source.lane_of.forEach(([symbol, lane]) => laneOfName.set(source.symbols[symbol], lane));
const laneOfScope = source.scopes.map(([node]) => laneOfSymbol.get(node) ?? -1);
/** The lane of the host that a link, such as `node-1 -> node-2`, starts from; -1 for other subjects. */
const laneOfLink = source.symbols.map(text => laneOfName.get(text.split(" -> ", 1)[0]) ?? -1);
/**
 * The lane of an event. What a kernel sends for a process that has ended belongs to no node, and is in
 * the lane of its host.
 */
const laneOf = i => {
  const lane = laneOfScope[events.scope[i]];
  return lane < 0 ? laneOfLink[events.subject[i]] : lane;
};

/** The events of each row of each lane, in order of time, with the level of each event. */
const level = new Uint8Array(eventCount);
const rows = source.lanes.map(() =>
  Object.fromEntries(ROW_NAMES.map(name => [name, { events: [], at: null, longest: 0, levels: 1 }])),
);
for (let i = 0; i < eventCount; i++) {
  const name = rowOfKind[events.kind[i]],
    lane = laneOf(i);
  if (name && lane >= 0) rows[lane][name].events.push(i);
}
for (const lane of rows) {
  for (const name of ROW_NAMES) {
    const row = lane[name];
    row.events = Uint32Array.from(row.events);
    row.at = Float64Array.from(row.events, i => events.at[i]);
    row.longest = row.events.reduce((most, i) => Math.max(most, events.took[i]), 0);
    if (ROWS[name].most > 1) stack(row, ROWS[name].most);
  }
}

/** Puts events that overlap on levels above each other, as far as there are levels. */
function stack(row, most) {
  const ends = new Float64Array(most).fill(-1);
  const byStart = Uint32Array.from(row.events).sort(
    (a, b) => beganAt(a) - beganAt(b) || events.at[b] - events.at[a],
  );
  for (const i of byStart) {
    if (events.took[i] === 0 && rowOfKind[events.kind[i]] === "steps") continue;
    let place = 0;
    while (place < most && ends[place] > beganAt(i)) place++;
    if (place === most) place = ends.indexOf(Math.min(...ends));
    level[i] = place;
    ends[place] = Math.max(ends[place], events.at[i]);
    row.levels = Math.max(row.levels, place + 1);
  }
}

/**
 * The messages between lanes: when each was sent and arrived, and whether it was held or retransmitted
 * before it arrived, or lost.
 */
const messages = { send: [], deliver: [], sent: [], arrived: [], from: [], to: [], state: [] };
const ARRIVED = 0,
  HELD = 1,
  LOST = 2;
for (let i = 0; i < eventCount; i++) {
  const kind = events.kind[i];
  if (kind !== KIND.deliver && kind !== KIND.lose) continue;
  const [from, to] = subjectOf(i)
    .split(" -> ")
    .map(host => laneOfName.get(host));
  if (from === undefined || to === undefined || from === to) continue;
  let send = 0,
    held = false;
  if (kind === KIND.deliver) {
    for (
      let cause = events.cause[i], steps = 0;
      cause && steps < 8;
      cause = events.cause[cause - 1], steps++
    ) {
      const of = events.kind[cause - 1];
      if (of === KIND.send) {
        send = cause;
        break;
      }
      if (of === KIND.stall || of === KIND.lose) held = true;
      else break;
    }
  }
  messages.send.push(send);
  messages.deliver.push(i + 1);
  messages.sent.push(beganAt(i));
  messages.arrived.push(events.at[i]);
  messages.from.push(from);
  messages.to.push(to);
  messages.state.push(kind === KIND.lose ? LOST : held ? HELD : ARRIVED);
}
messages.longest = messages.sent.reduce((most, sent, m) => Math.max(most, messages.arrived[m] - sent), 0);

/**
 * The events that each event caused: those of event `n` are `effects.list` from `effects.start[n]` to
 * `effects.start[n + 1]`.
 */
const effects = (() => {
  const start = new Uint32Array(eventCount + 2);
  for (let i = 0; i < eventCount; i++) start[events.cause[i] + 1]++;
  for (let n = 0; n <= eventCount; n++) start[n + 1] += start[n];
  const next = start.slice(),
    list = new Uint32Array(eventCount);
  for (let i = 0; i < eventCount; i++) list[next[events.cause[i]]++] = i + 1;
  return { start, list };
})();

/** The critical path from a moment to an event: its segments, the earliest first. */
function pathTo(end, began) {
  const path = [];
  for (let number = end; number; number = events.cause[number - 1]) {
    const i = number - 1,
      to = events.at[i];
    if (to <= began) break;
    const cause = events.cause[i],
      from = Math.max(cause ? events.at[cause - 1] : 0, began);
    if (from < to) path.push({ from, to, i });
  }
  return path.reverse();
}

/** The lines of the log. */
const LOG_KINDS = new Set([KIND.step, KIND.note, KIND.wait, KIND.waited, KIND.status]);
const logLines = [];
for (let i = 0; i < eventCount; i++) if (LOG_KINDS.has(events.kind[i])) logLines.push(i);

/**
 * An entry of the log is the index of an event, or, for what the code has logged, the negative number of
 * its line: -1 is the first one of `source.log`.
 */
const isLine = entry => entry < 0;
const lineOf = entry => source.log[-entry - 1];
const atOf = entry => (isLine(entry) ? lineOf(entry).at : events.at[entry]);
const laneOfLine = line => laneOfSymbol.get(line.node) ?? -1;
const LEVELS = ["error", "warn", "info", "debug", "trace"];

/** Merges events and the numbers of lines, each in their order. */
function merged(list, lines) {
  const all = [];
  let next = 0;
  for (const i of list) {
    while (next < lines.length && source.log[lines[next]].after <= i) all.push(-lines[next++] - 1);
    all.push(i);
  }
  while (next < lines.length) all.push(-lines[next++] - 1);
  return all;
}

/** The lines of each lane, in order of time. */
const linesOfLane = source.lanes.map((_, lane) => source.log.filter(line => laneOfLine(line) === lane));

/** The rows of waits on top: as many as fit, those that exceeded their deadlines first. */
const WAIT_ROWS = 5;
const waitRow = (() => {
  const row = new Array(source.waits.length).fill(0),
    ends = [];
  const order = source.waits
    .map((_, w) => w)
    .sort(
      (a, b) =>
        (b === source.chosen) - (a === source.chosen) ||
        source.waits[b].exceeded - source.waits[a].exceeded ||
        source.waits[a].began - source.waits[b].began,
    );
  const taken = [];
  for (const w of order) {
    const wait = source.waits[w],
      end = wait.began + wait.length;
    let place = 0;
    const overlaps = place =>
      (taken[place] ?? []).some(other => other.began < end && wait.began < other.began + other.length);
    while (place < WAIT_ROWS - 1 && overlaps(place)) place++;
    (taken[place] ??= []).push(wait);
    row[w] = place;
    ends[place] = 1;
  }
  row.count = ends.length;
  return row;
})();

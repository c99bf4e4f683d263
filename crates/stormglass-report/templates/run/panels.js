// The panels beside the picture: the critical path, the selected event, the log, and what is on top.

const byId = id => document.getElementById(id);

/** Creates an element with attributes (`on…` are listeners) and children. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

function showMoments() {
  byId("moments").append(...source.headline.moments.map((moment, index) => element("li", {},
    element("button", { class: moment.mark, onclick: () => goTo(index), title: `key ${index + 1}` },
      element("i", {}, String(index + 1)), element("strong", { title: moment.title }, moment.title),
      element("time", {}, seconds(moment.at)), element("small", {}, moment.detail)))));
}

/** Shows a moment closely, with its event selected. */
function goTo(index) {
  const moment = source.headline.moments[index];
  if (!moment) return;
  const length = Math.min(view.to - view.from, (whole.to - whole.from) / 8);
  select(moment.event, { move: false });
  show(moment.at - length / 2, moment.at + length / 2);
  if (moment.event) revealRow(moment.event - 1);
}

function openTab(name) {
  for (const tab of ["path", "event"]) {
    byId(tab).hidden = tab !== name;
    byId("tab-" + tab).setAttribute("aria-selected", String(tab === name));
  }
}

// The critical path.

let shownWait;
function showPath() {
  if (shownWait === view.wait) return;
  shownWait = view.wait;
  const wait = source.waits[view.wait];
  if (!wait && !failure) {
    byId("path").replaceChildren(element("p", {}, "This run has no wait with a deadline, so there is no critical path to show. Select an event to see what led to it."));
    return;
  }
  const order = source.waits.map((_, w) => w).sort((a, b) => source.waits[b].exceeded - source.waits[a].exceeded || source.waits[b].length - source.waits[a].length);
  const option = w => {
    const { name, node, length, began, exceeded, ended } = source.waits[w];
    const text = `${exceeded ? "✗" : "✓"} ${name} on ${node}: ${lengthOf(length)}${ended ? "" : " and more"}${began ? `, from ${seconds(began)}` : ""}`;
    return element("option", { value: w, selected: w === view.wait }, text);
  };
  const chooser = element("select", { "aria-label": "The wait whose critical path is drawn", onchange: event => chooseWait(event.target.value === "" ? null : Number(event.target.value)) }, ...order.slice(0, 500).map(option));
  if (failure) chooser.prepend(element("option", { value: "", selected: !wait }, `✗ ${failure.title}: ${seconds(failure.at)}`));
  byId("path").replaceChildren(chooser, ...(!wait ? ledToFailure() : wait.explained ? explained(wait) : sumsOnly(wait)).filter(Boolean));
}

/** The share of each category as one bar, with its key. */
function shares(sums, whole) {
  const shown = sums.map((sum, category) => [sum, category]).filter(([sum]) => sum > whole / 2000);
  const part = ([sum, category]) => element("span", { style: `width:${sum / whole * 100}%;background:var(--${COLOURS[category]})`, title: `${source.categories[category]}: ${lengthOf(sum)}` });
  const key = ([sum, category]) => element("span", { style: `--colour:var(--${COLOURS[category]})` }, `${source.categories[category]} ${lengthOf(sum)}, ${Math.round(sum / whole * 100)} %`);
  const sorted = shown.slice().sort((a, b) => b[0] - a[0]).filter(([sum]) => sum / whole >= 0.005);
  return [element("div", { class: "share" }, ...shown.map(part)), element("p", { class: "keys" }, ...sorted.map(key))];
}

function explained(wait) {
  const { parts, reasons } = wait.explained;
  const sums = source.categories.map((_, category) => parts.reduce((sum, part) => sum + part.by_category[category], 0));
  const columns = sums.map((sum, category) => [sum, category]).filter(([sum]) => sum >= Math.max(5e5, wait.length / 200)).map(([, category]) => category);
  const short = nanos => nanos >= 5e5 ? (nanos / 1e9).toFixed(3) : "";
  const rowsShown = parts.filter(part => part.to - part.from >= 5e5);
  const longest = rowsShown.reduce((most, part) => part.to - part.from > most.to - most.from ? part : most, rowsShown[0]);
  const cell = (nanos, category, most) => element("td", most ? { class: "most", style: `--colour:var(--${COLOURS[category]})` } : {}, short(nanos));
  const row = part => element("tr", { class: part === longest ? "longest" : null, title: "show this step", onclick: () => show(part.from - (part.to - part.from) * 0.15, part.to + (part.to - part.from) * 0.15) },
    element("td", {}, part.name), element("td", {}, short(part.to - part.from)),
    ...columns.map(category => cell(part.by_category[category], category, part.by_category[category] > (part.to - part.from) / 2)),
    element("td", {}, part.syncs ? String(part.syncs) : ""));
  const head = category => element("th", {}, source.categories[category], element("u", { style: `--colour:var(--${COLOURS[category]})` }));
  const table = element("table", { "aria-label": "The critical path by step and category, in seconds", title: "seconds of the critical path in each step; click a step to see it" },
    element("thead", {}, element("tr", {}, element("th", {}, "step"), element("th", {}, "total"), ...columns.map(head), element("th", {}, "syncs"))),
    element("tbody", {}, ...rowsShown.map(row)),
    element("tfoot", {}, element("tr", {}, element("td", {}, "sum"), element("td", {}, short(wait.length)), ...columns.map(category => cell(sums[category], category)), element("td", {}, String(parts.reduce((sum, part) => sum + part.syncs, 0))))));
  const most = reasons.slice(0, 8).filter(reason => reason.seconds >= 0.0005);
  const reason = ({ what, nodes, count, seconds }) => element("tr", {}, element("td", {}, `${seconds.toFixed(3)} s`), element("td", {}, `${count} ×`), element("td", {}, `${what}${nodes.length ? ` on ${nodes.join(", ")}` : ""}`));
  const left = source.categories.map((name, category) => [name, sums[category], category]).filter(([, sum, category]) => sum >= 5e5 && !columns.includes(category));
  return [...shares(sums, wait.length), table,
    left.length ? element("p", { class: "left" }, `Also in the total: ${left.map(([name, sum]) => `${name} ${lengthOf(sum)}`).join(", ")}`) : null,
    element("h3", {}, "What it waited for, longest first"),
    element("table", { class: "reasons" }, element("tbody", {}, ...most.map(reason)))];
}

/** The time of the path to the failure by category, and its last events. */
function ledToFailure() {
  const sums = source.categories.map(() => 0), chain = [];
  for (const { from, to, i } of view.path) sums[categoryOf[events.kind[i]]] += to - from;
  for (let number = failure.event; number && chain.length < 20; number = events.cause[number - 1]) chain.push(number);
  return [...shares(sums, failure.at || 1), element("h3", {}, "What led to it, each the cause of the next"), ...chain.reverse().map(number => eventLink(number))];
}

/** What is known of a wait whose table the page does not have: the sums of its path. */
function sumsOnly(wait) {
  const sums = source.categories.map(() => 0);
  for (const { from, to, i } of view.path) sums[categoryOf[events.kind[i]]] += to - from;
  return [...shares(sums, wait.length || 1), element("p", {}, "The page has the table by step for the 64 waits that took longest.")];
}

// The selected event.

let shownEvent = 0;
function showEvent() {
  if (shownEvent === view.selected) return;
  shownEvent = view.selected;
  if (!view.selected) {
    byId("event").replaceChildren(element("p", { class: "dim" }, "Click an event in the picture or in the log to see its fields, its cause and what it caused."));
    return openTab("path");
  }
  const i = view.selected - 1, kind = events.kind[i];
  const field = (name, value) => value === "" ? [] : [element("dt", {}, name), element("dd", {}, value)];
  const chain = [];
  for (let number = view.selected; number && chain.length < 9; number = events.cause[number - 1]) chain.push(number);
  const first = effects.start[view.selected], end = effects.start[view.selected + 1], shownEffects = Math.min(end, first + 30);
  const caused = Array.from(effects.list.subarray(first, shownEffects));
  byId("event").replaceChildren(
    element("h2", {}, describe(i)),
    element("dl", {}, ...field("time", seconds(events.at[i], 1)),
      ...field("took", events.took[i] ? `${lengthOf(events.took[i])}, from ${seconds(beganAt(i), 1e3)}` : "an instant"),
      ...field("node", nodeOf(i)), ...field("task", taskOf(i)), ...field("kind", `${kindName[kind]} (${source.categories[categoryOf[kind]]})`),
      ...field("subject", subjectOf(i)), ...field("value", valueOf(i)), ...field("event", `${view.selected} of ${eventCount}`)),
    element("h3", {}, "What led to it, each the cause of the next (c: to its cause)"),
    ...chain.reverse().map(number => eventLink(number)),
    ...events.cause[i] ? [] : [element("p", { class: "dim" }, "It waited for no other event.")],
    element("h3", {}, caused.length ? `What it caused: ${end - first}` : "It caused no other event"),
    ...caused.map(number => eventLink(number)),
    ...end > shownEffects ? [element("p", { class: "dim" }, `and ${end - shownEffects} more`)] : []);
  openTab("event");
}

function eventLink(number) {
  const i = number - 1;
  return element("button", { class: "link" + (number === view.selected ? " here" : ""), onclick: () => select(number), title: describe(i) },
    element("span", {}, seconds(events.at[i], 1e6)), element("span", {}, nodeOf(i)), element("span", {}, describe(i) + (events.took[i] >= 5e5 ? `  ${lengthOf(events.took[i])}` : "")));
}

// The log: only the lines in sight are elements.

const LINE = 19;
let logEvents = logLines, logState = "";

/** Chooses the lines of the log: those of the filters, or every event. */
function fillLog() {
  const all = byId("everything").checked;
  const statuses = byId("statuses").checked;
  const list = all ? Array.from({ length: eventCount }, (_, i) => i) : statuses ? logLines : logLines.filter(i => events.kind[i] !== KIND.status);
  logEvents = list.filter(i => !view.hiddenNodes.has(laneOf(i)) && (!all || !view.hiddenCategories.has(categoryOf[events.kind[i]])));
  byId("list").style.height = logEvents.length * LINE + "px";
  logState = "";
  drawLog();
}

/** The place in the log of the first line at a time or later. */
function logPlace(at) {
  let from = 0, to = logEvents.length;
  while (from < to) { const middle = (from + to) >> 1; if (events.at[logEvents[middle]] < at) from = middle + 1; else to = middle; }
  return from;
}

function drawLog() {
  const lines = byId("lines"), first = Math.max(0, Math.floor(lines.scrollTop / LINE) - 4), count = Math.ceil(lines.clientHeight / LINE) + 8;
  const now = view.pointer === null ? -1 : logPlace(view.pointer + 1) - 1;
  const state = [first, count, logEvents.length, view.from, view.to, view.selected, now, view.matching.length, view.matching[0]].join();
  if (state === logState) return;
  logState = state;
  const shown = [];
  for (let place = first; place < Math.min(first + count, logEvents.length); place++) {
    const i = logEvents[place], kind = events.kind[i], text = describe(i);
    const classes = ["line"];
    if (events.at[i] < view.from || events.at[i] > view.to) classes.push("outside");
    if (kind === KIND.status) classes.push("status");
    if (text.startsWith("✗") || subjectOf(i).startsWith("fault: ")) classes.push("bad");
    if (place === now) classes.push("now");
    if (view.selected === i + 1) classes.push("selected");
    else if (view.matches?.[i]) classes.push("match");
    shown.push(element("div", { class: classes.join(" "), style: `top:${place * LINE}px`, title: text, onclick: () => select(i + 1) },
      element("span", {}, seconds(events.at[i])), element("span", {}, nodeOf(i)), element("span", {}, text),
      element("span", {}, events.took[i] >= 5e5 ? lengthOf(events.took[i]) : "")));
  }
  byId("list").replaceChildren(...shown);
}

/** Keeps the log in step with the picture: what the view shows first, or what is selected, is in sight. */
let logFrom = -1, logSelected = 0;
function followLog() {
  const lines = byId("lines");
  const put = place => { lines.scrollTop = Math.max(0, place * LINE - lines.clientHeight / 3); };
  if (view.selected && view.selected !== logSelected) put(logPlace(events.at[view.selected - 1]));
  else if (view.from !== logFrom) put(logPlace(view.from) + (view.from > 0 ? Math.floor(lines.clientHeight / 3 / LINE) : 0));
  logSelected = view.selected;
  logFrom = view.from;
  drawLog();
}

// The legend, which is the filter as well.

function showFilters() {
  const used = new Set();
  for (let i = 0; i < eventCount; i++) if (rowOfKind[events.kind[i]]) used.add(categoryOf[events.kind[i]]);
  const names = source.categories.map((name, category) => category === 6 ? "steps and notes" : name);
  const toggle = (set, key, button) => {
    if (!set.delete(key)) set.add(key);
    button.setAttribute("aria-pressed", String(!set.has(key)));
    fillLog();
    changed();
  };
  byId("kinds").append(...[6, 0, 1, 2, 5, 3, 4].filter(category => used.has(category)).map(category => element("button", {
    "aria-pressed": "true", style: `--colour:var(--${category === 6 ? "mark" : COLOURS[category]})`, title: "click to hide or show",
    onclick: event => toggle(view.hiddenCategories, category, event.currentTarget),
  }, names[category])));
  byId("nodes").querySelector(".menu").append(...source.lanes.map((name, lane) => {
    const box = element("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => {
      if (box.checked) view.hiddenNodes.delete(lane); else view.hiddenNodes.add(lane);
      arrangeSpace();
      fillLog();
    });
    return element("label", {}, box, " " + name);
  }));
  const sign = (drawing, text) => { const span = element("span"); span.innerHTML = `<svg viewBox="0 0 26 10">${drawing}</svg>`; span.append(text); return span; };
  const signs = [];
  if (source.waits.length) signs.push(sign('<rect width="26" height="9" y=".5" fill="var(--panel)"/><path d="M0 8h9V2h8v5h9" fill="none" stroke="var(--ink)" stroke-width="2"/>', "critical path of the chosen wait"));
  signs.push(sign('<path d="M13 1l4 4-4 4-4-4z" fill="var(--mark)"/>', "log line or instant step"));
  const has = state => messages.state.includes(state);
  if (has(ARRIVED)) signs.push(sign('<path d="M2 2l18 6" stroke="var(--network)"/><path d="M24 9l-7 0 2-4z" fill="var(--network)"/>', "message"));
  if (has(HELD)) signs.push(sign('<path d="M2 2l22 6" stroke="var(--sync)" stroke-dasharray="4 3"/>', "held or retransmitted"));
  if (has(LOST)) signs.push(sign('<path d="M13 0v7m-3-3l6 6m0-6l-6 6" stroke="var(--bad)"/>', "lost"));
  if (events.kind.includes(KIND.refuse)) signs.push(sign('<path d="M9 1v8m4-8v8m4-8v8" stroke="var(--bad)" stroke-width="2"/>', "connection refused"));
  if (source.lives.some(life => life.state === "down")) signs.push(sign('<path d="M2 1l7 8m-7 0l7-8" stroke="var(--bad)" stroke-width="1.6"/><path d="M11 5h14" stroke="var(--bad)" stroke-dasharray="3 3"/>', "process down"));
  if (source.lives.some(life => life.state === "paused")) signs.push(sign('<path d="M1 9l8-8m-2 8l8-8m-2 8l8-8" stroke="var(--dim)"/>', "paused"));
  if (source.lives.some(life => life.state === "cut-off")) signs.push(sign('<path d="M0 6h26" stroke="var(--fault)" stroke-width="2" stroke-dasharray="2 3"/>', "cut off"));
  if (source.faults.length) signs.push(sign('<rect width="26" height="10" fill="var(--fault)" opacity=".3"/>', "fault active"));
  byId("legend").append(...signs, element("button", { onclick: () => byId("help").showModal() }, "keys and mouse (?)"));
}

const KEYS = [["wheel, + −", "zoom"], ["drag, ← →", "move"], ["↑ ↓, shift + wheel", "scroll the lanes"], ["click", "an event's fields, cause and effects"], ["double click", "zoom in there"], ["0", "the whole run"], ["1 to 9", "to a moment on top"], ["[ ]", "the event before, and after, on the same node"], ["c", "to the cause of the event"], ["/ n N", "search; next and previous match"], ["w", "the next wait"], ["Esc", "select nothing"]];

function showHelp() {
  byId("help").append(element("h2", {}, "Keys and mouse"), element("dl", { style: "grid-template-columns:10rem 1fr" }, ...KEYS.flatMap(([key, what]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)])),
    element("p", {}, "The address of the page keeps the time, the wait and the event that you look at: send it with the file."),
    element("form", { method: "dialog" }, element("button", {}, "close")));
}

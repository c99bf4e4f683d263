// The log: only the lines in sight are elements.

const LINE = 19;
let logEvents = logLines,
  logState = "";

/** Chooses the lines of the log: those of the filters, or every event. */
function fillLog() {
  const all = byId("everything").checked;
  const statuses = byId("statuses").checked;
  const list = all
    ? Array.from({ length: eventCount }, (_, i) => i)
    : statuses
      ? logLines
      : logLines.filter(i => events.kind[i] !== KIND.status);
  const shownEvents = list.filter(
    i => !view.hiddenNodes.has(laneOf(i)) && (!all || !view.hiddenCategories.has(categoryOf[events.kind[i]])),
  );
  const most = LEVELS.indexOf(byId("level").value);
  const shownLines = [];
  source.log.forEach((line, k) => {
    if (LEVELS.indexOf(line.level) <= most && !view.hiddenNodes.has(laneOfLine(line))) shownLines.push(k);
  });
  logEvents = merged(shownEvents, shownLines);
  byId("list").style.height = logEvents.length * LINE + "px";
  logState = "";
  drawLog();
}

/** The place in the log of the first line at a time or later. */
function logPlace(at) {
  let from = 0,
    to = logEvents.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (atOf(logEvents[middle]) < at) from = middle + 1;
    else to = middle;
  }
  return from;
}

function drawLog() {
  const lines = byId("lines"),
    first = Math.max(0, Math.floor(lines.scrollTop / LINE) - 4),
    count = Math.ceil(lines.clientHeight / LINE) + 8;
  const now = view.pointer === null ? -1 : logPlace(view.pointer + 1) - 1;
  const state = [
    first,
    count,
    logEvents.length,
    view.from,
    view.to,
    view.selected,
    view.selectedLine,
    now,
    view.found.length,
    view.found[0],
  ].join();
  if (state === logState) return;
  logState = state;
  const shown = [];
  for (let place = first; place < Math.min(first + count, logEvents.length); place++) {
    const entry = logEvents[place],
      at = atOf(entry),
      classes = ["line"];
    if (at < view.from || at > view.to) classes.push("outside");
    if (place === now) classes.push("now");
    let node, text, took, act;
    if (isLine(entry)) {
      const line = lineOf(entry),
        number = -entry;
      [node, text, took] = [source.symbols[line.node], line.text, line.took];
      act = () => selectLine(number);
      classes.push("logged", line.level);
      if (view.selectedLine === number) classes.push("selected");
      else if (view.lineMatches?.[number - 1]) classes.push("match");
    } else {
      [node, text, took] = [nodeOf(entry), describe(entry), events.took[entry]];
      act = () => select(entry + 1);
      if (events.kind[entry] === KIND.status) classes.push("status");
      if (text.startsWith("✗") || subjectOf(entry).startsWith("fault: ")) classes.push("bad");
      if (view.selected === entry + 1) classes.push("selected");
      else if (view.matches?.[entry]) classes.push("match");
    }
    shown.push(
      element(
        "div",
        {
          class: classes.join(" "),
          style: `top:${place * LINE}px`,
          title: text,
          onclick: act,
        },
        element("span", {}, seconds(at)),
        element("span", {}, node),
        element("span", {}, text),
        element("span", {}, took >= 5e5 ? lengthOf(took) : ""),
      ),
    );
  }
  byId("list").replaceChildren(...shown);
}

/** Keeps the log in step with the picture: what the view shows first, or what is selected, is in sight. */
let logFrom = -1,
  logSelected = 0,
  logLine = 0;
function followLog() {
  const lines = byId("lines");
  const put = place => {
    lines.scrollTop = Math.max(0, place * LINE - lines.clientHeight / 3);
  };
  if (view.selected && view.selected !== logSelected) put(logPlace(events.at[view.selected - 1]));
  else if (view.from !== logFrom)
    put(logPlace(view.from) + (view.from > 0 ? Math.floor(lines.clientHeight / 3 / LINE) : 0));
  if (view.selectedLine && view.selectedLine !== logLine) put(logPlace(lineOf(-view.selectedLine).at));
  logLine = view.selectedLine;
  logSelected = view.selected;
  logFrom = view.from;
  drawLog();
}

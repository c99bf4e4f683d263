// Pointer, keyboard and address; the start.

const scrollBox = byId("scroll"),
  tip = byId("tip");

/**
 * The number of the event that is drawn nearest to a point of the canvas, within a few pixels; 0 for
 * none.
 */
function eventAt(x, y) {
  const top = y + layout.scroll;
  if (y < TOP || x < GUTTER) return 0;
  let best = 0,
    bestDistance = 7;
  for (const lane of layout.lanes) {
    if (!lane || top < lane.y || top > lane.y + lane.height) continue;
    for (const [name, placed] of Object.entries(lane.rows)) {
      if (name === "state" || top < placed.y - 3 || top > placed.y + placed.height + 3) continue;
      const of = rows[lane.lane][name],
        [first, end] = visible(of);
      for (let place = first; place < end; place++) {
        const i = of.events[place];
        if (!isShown(i)) continue;
        const left = xOf(beganAt(i)),
          right = xOf(events.at[i]);
        const isInstant = name === "steps" && (events.took[i] === 0 || events.kind[i] === KIND.note);
        const middle = isInstant ? placed.y + placed.height - 3 : placed.y + (level[i] + 0.5) * placed.level;
        const away =
          Math.max(left - x, x - right, 0) +
          Math.max(0, Math.abs(middle - top) - placed.level / 2) -
          (isInstant && Math.abs(middle - top) < 5 && Math.abs(right - x) < 5 ? 1 : 0);
        // Of bars over each other the shortest, which is the hardest to hit, and what is on the path.
        const distance = away + Math.min(1, (right - left) / layout.width) - (view.onPath[i] ? 0.2 : 0);
        if (distance < bestDistance) {
          best = i + 1;
          bestDistance = distance;
        }
      }
    }
  }
  return best || messageAt(x, top);
}

/** The number of the event of the arrival whose arrow is near a point. */
function messageAt(x, y) {
  if (!view.showMessages || view.hiddenCategories.has(2)) return 0;
  const { sent, arrived } = messages;
  const first = lowerBound(arrived, view.from),
    end = lowerBound(arrived, view.to + messages.longest);
  let best = 0,
    bestDistance = 5;
  for (let m = first; m < end; m++) {
    const from = messageY(messages.from[m]),
      to = messageY(messages.to[m]);
    if (from === null || to === null || y < Math.min(from, to) || y > Math.max(from, to)) continue;
    const at = xOf(sent[m]) + ((xOf(arrived[m]) - xOf(sent[m])) * (y - from)) / (to - from);
    if (Math.abs(at - x) < bestDistance) {
      best = messages.deliver[m];
      bestDistance = Math.abs(at - x);
    }
  }
  return best;
}

/** The wait whose bar is at a point, or null. */
function waitAt(x, y) {
  const top = y + layout.scroll - layout.waits.y;
  if (top < 0 || top >= layout.waits.height || x < GUTTER) return null;
  const at = timeAt(x),
    row = Math.floor(top / WAIT_HEIGHT);
  const hits = source.waits
    .map((_, w) => w)
    .filter(
      w =>
        waitRow[w] === row &&
        source.waits[w].began <= at &&
        at <= source.waits[w].began + source.waits[w].length,
    );
  return hits.length ? hits[0] : null;
}

function faultAt(x, y) {
  const top = y + layout.scroll - layout.faults.y;
  if (top < 0 || top >= layout.faults.height) return null;
  const row = Math.floor(top / FAULT_HEIGHT);
  return (
    source.faults.find(
      (fault, index) => faultRow[index] === row && xOf(fault.from) - 3 <= x && x <= xOf(fault.to) + 3,
    ) ?? null
  );
}

let pressed = null,
  hoverAt = null;

canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  pressed = {
    x: event.offsetX,
    y: event.offsetY,
    from: view.from,
    scroll: scrollBox.scrollTop,
    moved: false,
  };
});
canvas.addEventListener("pointermove", event => {
  const { offsetX: x, offsetY: y } = event;
  if (pressed && (pressed.moved || Math.hypot(x - pressed.x, y - pressed.y) > 4)) {
    pressed.moved = true;
    canvas.classList.add("dragging");
    const length = view.to - view.from,
      from = pressed.from - ((x - pressed.x) / (layout.width - GUTTER)) * length;
    show(from, from + length);
    scrollBox.scrollTop = pressed.scroll - (y - pressed.y);
    tip.hidden = true;
    return;
  }
  view.pointer = x >= GUTTER ? timeAt(x) : null;
  hoverAt = { x, y };
  changed();
});
canvas.addEventListener("pointerup", event => {
  canvas.classList.remove("dragging");
  const wasClick = pressed && !pressed.moved;
  pressed = null;
  if (!wasClick) return;
  const wait = waitAt(event.offsetX, event.offsetY);
  if (wait !== null) {
    chooseWait(wait);
    return openTab("path");
  }
  const jump = jumpAt(event.offsetX, event.offsetY);
  if (jump) return select(jump.event);
  select(eventAt(event.offsetX, event.offsetY), { move: false });
});
canvas.addEventListener("pointerleave", () => {
  view.pointer = null;
  view.hovered = 0;
  hoverAt = null;
  tip.hidden = true;
  changed();
});
canvas.addEventListener("dblclick", event => {
  if (event.offsetX >= GUTTER) zoom(0.25, timeAt(event.offsetX));
});
canvas.addEventListener(
  "wheel",
  event => {
    if (event.shiftKey) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / (layout.width - GUTTER));
    else zoom(1.0018 ** event.deltaY, timeAt(Math.max(GUTTER, event.offsetX)));
  },
  { passive: false },
);

/** Shows what is under the pointer. */
function hover() {
  if (!hoverAt || pressed) return;
  const { x, y } = hoverAt,
    number = eventAt(x, y),
    wait = waitAt(x, y),
    fault = faultAt(x, y);
  if (number !== view.hovered) {
    view.hovered = number;
    changed();
  }
  let lines = null;
  if (number) {
    const i = number - 1,
      task = taskOf(i);
    lines = [
      describe(i),
      `${nodeOf(i)}${task ? `, ${task}` : ""}: ${seconds(events.at[i], 1e5)}` +
        (events.took[i] ? `, took ${lengthOf(events.took[i])}` : ""),
    ];
  } else if (wait !== null) {
    const { name, node, length, deadline } = source.waits[wait];
    lines = [
      `wait for ${name} on ${node}`,
      `${lengthOf(length)}, deadline ${lengthOf(deadline)}; click to draw its critical path`,
    ];
  } else if (jumpAt(x, y)) {
    lines = [source.chance.failure, jumpAt(x, y).text];
  } else if (fault) {
    lines = [fault.text, `from ${seconds(fault.from)} to ${seconds(fault.to)}`];
  }
  tip.hidden = !lines;
  if (!lines) return;
  tip.replaceChildren(lines[0], element("small", {}, lines[1]));
  const box = scrollBox.getBoundingClientRect(),
    stage = byId("stage").getBoundingClientRect();
  const left = Math.min(x + 14, box.width - tip.offsetWidth - 8),
    below = box.top - stage.top + y + 16;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = (below + tip.offsetHeight > stage.height ? below - tip.offsetHeight - 30 : below) + "px";
}

// The overview: drag to choose a time, click to move there.

let chosenFrom = null;
const overviewTime = x => Math.min(Math.max((x - GUTTER) / (layout.width - GUTTER), 0), 1) * whole.to;
overview.addEventListener("pointerdown", event => {
  overview.setPointerCapture(event.pointerId);
  chosenFrom = event.offsetX;
});
overview.addEventListener("pointermove", event => {
  if (chosenFrom === null || Math.abs(event.offsetX - chosenFrom) < 4) return;
  const [from, to] = [overviewTime(chosenFrom), overviewTime(event.offsetX)].sort((a, b) => a - b);
  show(from, to);
});
overview.addEventListener("pointerup", event => {
  if (chosenFrom !== null && Math.abs(event.offsetX - chosenFrom) < 4) {
    const length = Math.min(view.to - view.from, whole.to / 4),
      middle = overviewTime(event.offsetX);
    show(middle - length / 2, middle + length / 2);
  }
  chosenFrom = null;
});

// Tools.

const box = byId("search");
function searched() {
  search(box.value);
  const count = view.found.length;
  byId("found").textContent = view.matches ? String(count) : "";
  byId("previous").hidden = byId("next").hidden = count === 0;
}
let typing = 0;
box.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(searched, eventCount > 50000 ? 150 : 0);
});
box.addEventListener("keydown", event => {
  if (event.key === "Enter") {
    clearTimeout(typing);
    searched();
    step(!event.shiftKey);
    event.preventDefault();
  }
  if (event.key === "Escape") {
    box.value = "";
    searched();
    canvas.focus();
  }
  event.stopPropagation();
});
byId("previous").addEventListener("click", () => step(false));
byId("next").addEventListener("click", () => step(true));
byId("in").addEventListener("click", () => zoom(0.5));
byId("out").addEventListener("click", () => zoom(2));
byId("all").addEventListener("click", () => show(whole.from, whole.to));
byId("tab-path").addEventListener("click", () => openTab("path"));
byId("tab-event").addEventListener("click", () => openTab("event"));
byId("everything").addEventListener("change", fillLog);
byId("statuses").addEventListener("change", fillLog);
byId("level").addEventListener("change", fillLog);
byId("lines").addEventListener("scroll", drawLog);

/** Selects the event before or after the selected one on the same node. */
function stepOnNode(forwards) {
  const lane = view.selected ? laneOf(view.selected - 1) : -1;
  const start =
    view.selected || (forwards ? lowerBound(events.at, view.from) : lowerBound(events.at, view.to) + 1);
  for (
    let number = start + (forwards ? 1 : -1);
    number > 0 && number <= eventCount;
    number += forwards ? 1 : -1
  ) {
    if (
      (lane < 0 || laneOf(number - 1) === lane) &&
      isShown(number - 1) &&
      rowOfKind[events.kind[number - 1]]
    )
      return select(number);
  }
}

const KEY = {
  "+": () => zoom(0.6),
  "=": () => zoom(0.6),
  "-": () => zoom(1 / 0.6),
  0: () => show(whole.from, whole.to),
  ArrowLeft: () => pan(-0.15),
  ArrowRight: () => pan(0.15),
  ArrowUp: () => scrollBox.scrollBy(0, -60),
  ArrowDown: () => scrollBox.scrollBy(0, 60),
  "/": () => {
    box.focus();
    box.select();
  },
  n: () => step(true),
  N: () => step(false),
  "[": () => stepOnNode(false),
  "]": () => stepOnNode(true),
  c: () => view.selected && events.cause[view.selected - 1] && select(events.cause[view.selected - 1]),
  w: () => source.waits.length && chooseWait(((view.wait ?? -1) + 1) % source.waits.length),
  Escape: () => select(0),
  "?": () => byId("help").showModal(),
};
document.addEventListener("keydown", event => {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    byId("help").open ||
    /^(INPUT|SELECT)$/.test(event.target.tagName)
  )
    return;
  if (event.key.startsWith("Arrow") && event.target === byId("lines")) return;
  const act = KEY[event.key] ?? (/^[1-9]$/.test(event.key) ? () => goTo(Number(event.key) - 1) : null);
  if (!act) return;
  event.preventDefault();
  act();
});

// In the comparison of two runs both pages show the same time.

const isFramed = parent !== window;
let told = "";
const shownTime = () => `${view.from} ${view.to}`;
if (isFramed) {
  onChange(() => {
    if (shownTime() === told) return;
    told = shownTime();
    parent.postMessage({ from: view.from, to: view.to }, "*");
  });
  addEventListener("message", event => {
    if (event.source !== parent) return;
    show(event.data.from, event.data.to);
    // A shorter run may show less: the other keeps its time.
    told = shownTime();
  });
}

// The address keeps the time, the wait and the event.

let written = "";
function writeAddress() {
  const parts = [];
  if (view.from > whole.from || view.to < whole.to)
    parts.push(
      `t=${((view.from + view.to) / 2e9).toFixed(9).replace(/0+$/, "").replace(/\.$/, "")}`,
      `w=${Number(((view.to - view.from) / 1e9).toPrecision(6))}`,
    );
  if (view.selected) parts.push(`event=${view.selected}`);
  if (view.selectedLine) parts.push(`line=${view.selectedLine}`);
  if (view.wait !== null && view.wait !== firstWait) parts.push(`wait=${view.wait}`);
  const address = parts.length ? "#" + parts.join("&") : "#";
  if (isFramed || address === written || (address === "#" && !location.hash)) return;
  written = address;
  history.replaceState(null, "", address);
}

function readAddress() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const number = name =>
    fields.has(name) && Number.isFinite(Number(fields.get(name))) ? Number(fields.get(name)) : null;
  const wait = number("wait"),
    event = number("event"),
    line = number("line"),
    at = number("t"),
    length = number("w") ?? whole.to / 8e9;
  if (wait !== null && source.waits[wait]) chooseWait(wait);
  if (event !== null && event >= 1 && event <= eventCount) select(event, { move: at === null });
  if (line !== null && line >= 1 && line <= source.log.length) selectLine(line);
  if (at !== null) show((at - length / 2) * 1e9, (at + length / 2) * 1e9);
}
let writing = 0;
onChange(() => {
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 150);
});
addEventListener("hashchange", () => {
  if (location.hash !== written) readAddress();
});

onChange(showPath);
onChange(showEvent);
onChange(draw);
onChange(hover);
onChange(followLog);
scrollBox.addEventListener("scroll", changed);
new ResizeObserver(resize).observe(scrollBox);
for (const query of ["(prefers-color-scheme: dark)"])
  matchMedia(query).addEventListener("change", () => {
    readColours();
    changed();
  });

readColours();
showMoments();
showFilters();
showHelp();
showEvent();
chooseWait(view.wait);
resize();
fillLog();
readAddress();
// For tests, and for the console.
window.stormglass = { source, events, view, layout, messages, xOf, yOf, select, show, zoom, draw, describe };

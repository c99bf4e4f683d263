// The legend, which is the filter as well, and the help.

function showFilters() {
  const used = new Set();
  for (let i = 0; i < eventCount; i++) if (rowOfKind[events.kind[i]]) used.add(categoryOf[events.kind[i]]);
  const names = source.categories.map((name, category) => (category === 6 ? "steps and notes" : name));
  const toggle = (set, key, button) => {
    if (!set.delete(key)) set.add(key);
    button.setAttribute("aria-pressed", String(!set.has(key)));
    fillLog();
    changed();
  };
  byId("kinds").append(
    ...[6, 0, 1, 2, 5, 3, 4]
      .filter(category => used.has(category))
      .map(category =>
        element(
          "button",
          {
            "aria-pressed": "true",
            style: `--colour:var(--${category === 6 ? "mark" : COLOURS[category]})`,
            title: "click to hide or show",
            onclick: event => toggle(view.hiddenCategories, category, event.currentTarget),
          },
          names[category],
        ),
      ),
  );
  byId("nodes")
    .querySelector(".menu")
    .append(
      ...source.lanes.map((name, lane) => {
        const box = element("input", { type: "checkbox", checked: "" });
        box.addEventListener("change", () => {
          if (box.checked) view.hiddenNodes.delete(lane);
          else view.hiddenNodes.add(lane);
          arrangeSpace();
          fillLog();
        });
        return element("label", {}, box, " " + name);
      }),
    );
  const sign = (drawing, text) => {
    const span = element("span");
    span.innerHTML = `<svg viewBox="0 0 26 10">${drawing}</svg>`;
    span.append(text);
    return span;
  };
  const signs = [];
  if (source.waits.length)
    signs.push(
      sign(
        '<path d="M0 8h9V2h8v5h9" fill="none" stroke="var(--ink)" stroke-width="2"/>',
        "critical path of the chosen wait",
      ),
      sign('<rect y="1" width="26" height="8" fill="var(--sync)" opacity=".45"/>', "not on it"),
    );
  signs.push(sign('<path d="M13 1l4 4-4 4-4-4z" fill="var(--mark)"/>', "note or instant step"));
  byId("levels").hidden = !source.log.length;
  if (source.log.length)
    signs.push(
      sign('<path d="M6 2v7m6-7v7" stroke="var(--mark)"/><path d="M18 2v7" stroke="var(--bad)"/>', "logged line, error"),
    );
  const has = state => messages.state.includes(state);
  if (has(ARRIVED))
    signs.push(
      sign(
        '<path d="M2 2l18 6" stroke="var(--network)"/><path d="M24 9l-7 0 2-4z" fill="var(--network)"/>',
        "message",
      ),
    );
  if (has(HELD))
    signs.push(
      sign('<path d="M2 2l22 6" stroke="var(--sync)" stroke-dasharray="4 3"/>', "held or retransmitted"),
    );
  if (has(LOST)) signs.push(sign('<path d="M13 0v7m-3-3l6 6m0-6l-6 6" stroke="var(--bad)"/>', "lost"));
  if (events.kind.includes(KIND.refuse))
    signs.push(
      sign('<path d="M9 1v8m4-8v8m4-8v8" stroke="var(--bad)" stroke-width="2"/>', "connection refused"),
    );
  if (source.lives.some(life => life.state === "down"))
    signs.push(
      sign(
        '<path d="M2 1l7 8m-7 0l7-8m2 4h3m2 0h3m2 0h3" stroke="var(--bad)" stroke-width="1.4"/>',
        "process down",
      ),
    );
  if (source.lives.some(life => life.state === "paused"))
    signs.push(sign('<path d="M1 9l8-8m-2 8l8-8m-2 8l8-8" stroke="var(--dim)"/>', "paused"));
  if (source.lives.some(life => life.state === "cut-off"))
    signs.push(
      sign('<path d="M0 6h26" stroke="var(--fault)" stroke-width="2" stroke-dasharray="2 3"/>', "cut off"),
    );
  if (source.faults.length)
    signs.push(sign('<rect width="26" height="10" fill="var(--fault)" opacity=".3"/>', "fault active"));
  byId("legend").append(
    ...signs,
    element("button", { onclick: () => byId("help").showModal() }, "keys and mouse (?)"),
  );
}

const KEYS = [
  ["wheel, + −", "zoom"],
  ["drag, ← →", "move"],
  ["↑ ↓, shift + wheel", "scroll the lanes"],
  ["click", "an event's fields, cause and effects"],
  ["double click", "zoom in there"],
  ["0", "the whole run"],
  ["1 to 9", "to a moment on top"],
  ["[ ]", "the event before, and after, on the same node"],
  ["c", "to the cause of the event"],
  ["/ n N", "search; next and previous match"],
  ["w", "the next wait"],
  ["Esc", "select nothing"],
];

function showHelp() {
  byId("help").append(
    element("h2", {}, "Keys and mouse"),
    element(
      "dl",
      { style: "grid-template-columns:10rem 1fr" },
      ...KEYS.flatMap(([key, what]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)]),
    ),
    element(
      "p",
      {},
      "The address of the page keeps the time, the wait and the event that you look at: " +
        "send it with the file.",
    ),
    element("form", { method: "dialog" }, element("button", {}, "close")),
  );
}

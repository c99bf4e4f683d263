// The panel of the selected event.

let shownEvent = 0,
  shownLine = 0;
function showEvent() {
  if (shownEvent === view.selected && shownLine === view.selectedLine) return;
  [shownEvent, shownLine] = [view.selected, view.selectedLine];
  if (view.selectedLine) return showLine(lineOf(-view.selectedLine));
  if (!view.selected) {
    byId("event").replaceChildren(
      element(
        "p",
        { class: "dim" },
        "Click an event in the picture or in the log to see its fields, its cause and what it caused.",
      ),
    );
    return openTab("path");
  }
  const i = view.selected - 1,
    kind = events.kind[i];
  const chain = [];
  for (let number = view.selected; number && chain.length < 9; number = events.cause[number - 1])
    chain.push(number);
  const first = effects.start[view.selected],
    end = effects.start[view.selected + 1],
    shownEffects = Math.min(end, first + 30);
  const caused = Array.from(effects.list.subarray(first, shownEffects));
  byId("event").replaceChildren(
    element("h2", {}, describe(i)),
    element(
      "dl",
      {},
      ...field("time", seconds(events.at[i], 1)),
      ...field(
        "took",
        events.took[i] ? `${lengthOf(events.took[i])}, from ${seconds(beganAt(i), 1e3)}` : "an instant",
      ),
      ...field("node", nodeOf(i)),
      ...field("task", taskOf(i)),
      ...field("kind", `${kindName[kind]} (${source.categories[categoryOf[kind]]})`),
      ...field("subject", subjectOf(i)),
      ...field("value", valueOf(i)),
      ...field("event", `${view.selected} of ${eventCount}`),
    ),
    element("h3", {}, "What led to it, each the cause of the next (c: to its cause)"),
    ...chain.reverse().map(number => eventLink(number)),
    ...(events.cause[i] ? [] : [element("p", { class: "dim" }, "It waited for no other event.")]),
    element("h3", {}, caused.length ? `What it caused: ${end - first}` : "It caused no other event"),
    ...caused.map(number => eventLink(number)),
    ...(end > shownEffects ? [element("p", { class: "dim" }, `and ${end - shownEffects} more`)] : []),
  );
  openTab("event");
}

const field = (name, value) => (value === "" ? [] : [element("dt", {}, name), element("dd", {}, value)]);

/** Shows the fields of a line of the log. */
function showLine(line) {
  const links = (title, number) => (number ? [element("h3", {}, title), eventLink(number)] : []);
  byId("event").replaceChildren(
    element("h2", {}, line.text),
    element(
      "dl",
      {},
      ...field("time", seconds(line.at, 1)),
      ...field("span took", line.took ? lengthOf(line.took) : ""),
      ...field("node", source.symbols[line.node]),
      ...field("task", source.symbols[line.task]),
      ...field("level", line.level),
      ...field("target", line.target),
      ...(line.spans ?? []).flatMap(span => field("in span", span)),
      ...(line.fields ?? []).flatMap(([name, value]) => field(name, value)),
    ),
    ...links("The last event that its task waited for", line.cause),
    ...links("The event before it, of any task", line.after),
  );
  openTab("event");
}

function eventLink(number) {
  const i = number - 1;
  return element(
    "button",
    {
      class: "link" + (number === view.selected ? " here" : ""),
      onclick: () => select(number),
      title: describe(i),
    },
    element("span", {}, seconds(events.at[i], 1e6)),
    element("span", {}, nodeOf(i)),
    element("span", {}, describe(i) + (events.took[i] >= 5e5 ? `  ${lengthOf(events.took[i])}` : "")),
  );
}

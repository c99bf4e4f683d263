// The panel of the selected event.

let shownEvent = 0;
function showEvent() {
  if (shownEvent === view.selected) return;
  shownEvent = view.selected;
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
  const field = (name, value) => (value === "" ? [] : [element("dt", {}, name), element("dd", {}, value)]);
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

// Elements of the document, the moments on top, and the tabs.

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
  byId("moments").append(
    ...source.headline.moments.map((moment, index) =>
      element(
        "li",
        {},
        element(
          "button",
          { class: moment.mark, onclick: () => goTo(index), title: `key ${index + 1}` },
          element("i", {}, String(index + 1)),
          element("strong", { title: moment.title }, moment.title),
          element("time", {}, seconds(moment.at)),
          element("small", {}, moment.detail),
        ),
      ),
    ),
  );
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

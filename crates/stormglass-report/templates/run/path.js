// The panel of the critical path.

/** Whether its table has the longest steps first, else their order in time. */
let longestFirst = true;

let shownWait;
function showPath() {
  if (shownWait === view.wait) return;
  shownWait = view.wait;
  const wait = source.waits[view.wait];
  if (!wait && !failure) {
    byId("path").replaceChildren(
      element(
        "p",
        {},
        "This run has no wait with a deadline, so there is no critical path to show. " +
          "Select an event to see what led to it.",
      ),
    );
    return;
  }
  const order = source.waits
    .map((_, w) => w)
    .sort(
      (a, b) =>
        source.waits[b].exceeded - source.waits[a].exceeded ||
        source.waits[b].length - source.waits[a].length,
    );
  const option = w => {
    const wait = source.waits[w];
    const text = waitText(wait) + (wait.began ? `, from ${seconds(wait.began)}` : "");
    return element("option", { value: w, selected: w === view.wait }, text);
  };
  const chooser = element(
    "select",
    {
      "aria-label": "The wait whose critical path is drawn",
      onchange: event => chooseWait(event.target.value === "" ? null : Number(event.target.value)),
    },
    ...order.slice(0, 500).map(option),
  );
  if (failure)
    chooser.prepend(
      element("option", { value: "", selected: !wait }, `✗ ${failure.title}: ${seconds(failure.at)}`),
    );
  byId("path").replaceChildren(
    chooser,
    ...(!wait ? ledToFailure() : wait.explained ? explained(wait) : sumsOnly(wait)).filter(Boolean),
  );
}

/** The share of each category as one bar, with its key. */
function shares(sums, whole) {
  const shown = sums.map((sum, category) => [sum, category]).filter(([sum]) => sum > whole / 2000);
  const part = ([sum, category]) =>
    element("span", {
      style: `width:${(sum / whole) * 100}%;background:var(--${COLOURS[category]})`,
      title: `${source.categories[category]}: ${lengthOf(sum)}`,
    });
  const key = ([sum, category]) =>
    element(
      "span",
      { style: `--colour:var(--${COLOURS[category]})` },
      `${source.categories[category]} ${lengthOf(sum)}, ${Math.round((sum / whole) * 100)} %`,
    );
  const sorted = shown
    .slice()
    .sort((a, b) => b[0] - a[0])
    .filter(([sum]) => sum / whole >= 0.005);
  return [
    element("div", { class: "share" }, ...shown.map(part)),
    element("p", { class: "keys" }, ...sorted.map(key)),
  ];
}

function explained(wait) {
  const { parts, reasons } = wait.explained;
  const sums = source.categories.map((_, category) =>
    parts.reduce((sum, part) => sum + part.by_category[category], 0),
  );
  const columns = sums
    .map((sum, category) => [sum, category])
    .filter(([sum]) => sum >= Math.max(5e5, wait.length / 200))
    .map(([, category]) => category);
  const short = nanos => (nanos >= 5e5 ? (nanos / 1e9).toFixed(3) : "");
  const rowsShown = parts.filter(part => part.to - part.from >= 5e5);
  const longest = rowsShown.reduce(
    (most, part) => (part.to - part.from > most.to - most.from ? part : most),
    rowsShown[0],
  );
  const cell = (nanos, category, most) =>
    element("td", most ? { class: "most", style: `--colour:var(--${COLOURS[category]})` } : {}, short(nanos));
  const row = part =>
    element(
      "tr",
      {
        class: part === longest ? "longest" : null,
        title: "show this step",
        onclick: () => show(part.from - (part.to - part.from) * 0.15, part.to + (part.to - part.from) * 0.15),
      },
      element("td", {}, part.name),
      element("td", {}, short(part.to - part.from)),
      ...columns.map(category =>
        cell(part.by_category[category], category, part.by_category[category] > (part.to - part.from) / 2),
      ),
      element("td", {}, part.syncs ? String(part.syncs) : ""),
    );
  const inOrder = () =>
    longestFirst ? rowsShown.toSorted((a, b) => b.to - b.from - (a.to - a.from)) : rowsShown;
  const body = element("tbody", {}, ...inOrder().map(row));
  const sortable = (name, isByLength) => {
    const order = isByLength ? "descending" : "ascending";
    return element(
      "th",
      { "aria-sort": longestFirst === isByLength ? order : null },
      element(
        "button",
        {
          title: isByLength ? "the longest steps first" : "the steps in the order of their times",
          onclick: event => {
            longestFirst = isByLength;
            for (const other of event.currentTarget.closest("tr").children) other.removeAttribute("aria-sort");
            event.currentTarget.parentElement.setAttribute("aria-sort", order);
            body.replaceChildren(...inOrder().map(row));
          },
        },
        name,
      ),
    );
  };
  const head = category =>
    element(
      "th",
      {},
      source.categories[category],
      element("u", { style: `--colour:var(--${COLOURS[category]})` }),
    );
  const table = element(
    "table",
    {
      "aria-label": "The critical path by step and category, in seconds",
      title: "seconds of the critical path in each step; click a step to see it",
    },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        sortable("step", false),
        sortable("total", true),
        ...columns.map(head),
        element("th", {}, "syncs"),
      ),
    ),
    body,
    element(
      "tfoot",
      {},
      element(
        "tr",
        {},
        element("td", {}, "sum"),
        element("td", {}, short(wait.length)),
        ...columns.map(category => cell(sums[category], category)),
        element("td", {}, String(parts.reduce((sum, part) => sum + part.syncs, 0))),
      ),
    ),
  );
  const most = reasons.slice(0, 8).filter(reason => reason.seconds >= 0.0005);
  const reason = ({ what, nodes, count, seconds }) =>
    element(
      "tr",
      {},
      element("td", {}, `${seconds.toFixed(3)} s`),
      element("td", {}, `${count} ×`),
      element("td", {}, `${what}${nodes.length ? ` on ${nodes.join(", ")}` : ""}`),
    );
  const left = source.categories
    .map((name, category) => [name, sums[category], category])
    .filter(([, sum, category]) => sum >= 5e5 && !columns.includes(category));
  return [
    ...shares(sums, wait.length),
    table,
    left.length
      ? element(
          "p",
          { class: "left" },
          `Also in the total: ${left.map(([name, sum]) => `${name} ${lengthOf(sum)}`).join(", ")}`,
        )
      : null,
    element("h3", {}, "What it waited for, longest first"),
    element("table", { class: "reasons" }, element("tbody", {}, ...most.map(reason))),
  ];
}

/** The time of the path to the failure by category, and its last events. */
function ledToFailure() {
  const sums = source.categories.map(() => 0),
    chain = [];
  for (const { from, to, i } of view.path) sums[categoryOf[events.kind[i]]] += to - from;
  for (let number = failure.event; number && chain.length < 20; number = events.cause[number - 1])
    chain.push(number);
  return [
    ...shares(sums, failure.at || 1),
    element("h3", {}, "What led to it, each the cause of the next"),
    ...chain.reverse().map(number => eventLink(number)),
  ];
}

/** What is known of a wait whose table the page does not have: the sums of its path. */
function sumsOnly(wait) {
  const sums = source.categories.map(() => 0);
  for (const { from, to, i } of view.path) sums[categoryOf[events.kind[i]]] += to - from;
  return [
    ...shares(sums, wait.length || 1),
    element("p", {}, "The page has the table by step for the 64 waits that took longest."),
  ];
}

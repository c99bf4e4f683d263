// The data of the run: the document, and the columns of its events.

const source = JSON.parse(document.getElementById("document").textContent);
if (source.version !== 1)
  throw new Error(`version ${source.version} of the data is unknown, this page reads 1`);

/** The bytes of base64 text. */
function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * Reads `count` unsigned LEB128 numbers from each column. Numbers of 2^53 and more lose their last
 * digits, so `exact` has them as text.
 */
function readColumns({ columns, lengths, events: count }, bytes) {
  const read = { exact: new Map() };
  let place = 0;
  columns.forEach((name, index) => {
    const numbers =
      name === "at" || name === "took" || name === "value" ? new Float64Array(count) : new Uint32Array(count);
    const end = place + lengths[index];
    for (let i = 0; i < count; i++) {
      const start = place;
      let number = 0,
        factor = 1,
        byte;
      do {
        byte = bytes[place++];
        number += (byte & 127) * factor;
        factor *= 128;
      } while (byte > 127);
      numbers[i] = number;
      if (number > Number.MAX_SAFE_INTEGER && name === "value") {
        let exact = 0n;
        for (let at = place - 1; at >= start; at--) exact = (exact << 7n) | BigInt(bytes[at] & 127);
        read.exact.set(i, String(exact));
      }
    }
    if (place !== end) throw new Error(`the column ${name} ends at byte ${place}, not at ${end}`);
    read[name] = numbers;
  });
  for (let i = 1; i < count; i++) read.at[i] += read.at[i - 1];
  // Distances back become numbers of events, from 1; 0 is the start of the run.
  for (let i = 0; i < count; i++) read.cause[i] = read.cause[i] ? i + 1 - read.cause[i] : 0;
  return read;
}

const events = readColumns(source, bytesOf(document.getElementById("columns").textContent));
const eventCount = source.events;
const kindName = source.kinds.map(([name]) => name);
const categoryOf = source.kinds.map(([, category]) => category);
const kindOf = name => kindName.indexOf(name);
/** The variables of the style that colour the categories, in their order. */
const COLOURS = ["sync", "disk", "network", "sleep", "tick", "cpu", "other"];

const nodeOf = i => source.symbols[source.scopes[events.scope[i]][0]];
const taskOf = i => source.symbols[source.scopes[events.scope[i]][1]];
const subjectOf = i => source.symbols[events.subject[i]];
const beganAt = i => Math.max(0, events.at[i] - events.took[i]);
const valueOf = i => events.exact.get(i) ?? String(events.value[i]);

/** What an event is, in words. */
function describe(i) {
  const subject = subjectOf(i),
    kind = kindName[events.kind[i]];
  switch (kind) {
    case "step":
      return `✓ ${subject}`;
    case "note":
      return subject.startsWith("violated ") ? `✗ ${subject}` : `• ${subject}`;
    case "status":
      return `= ${subject}`;
    case "wait":
      return `… begins to wait for ${subject}`;
    case "waited":
      return `✓ has waited for ${subject}`;
    case "sleep":
    case "tick":
      return subject;
    case "compute":
      return `cpu: ${subject}`;
    default:
      return `${kind} ${subject}`;
  }
}

/** A time in seconds, with as many digits as a step of `step` nanoseconds needs. */
function seconds(nanos, step = 1e6) {
  const digits = Math.min(9, Math.max(0, Math.ceil(9 - Math.log10(step) - 1e-9)));
  return (nanos / 1e9).toFixed(digits) + " s";
}

/** A length of time with a fitting unit. */
function lengthOf(nanos) {
  if (nanos === 0) return "0";
  if (nanos < 1e3) return `${nanos} ns`;
  if (nanos < 1e6) return `${(nanos / 1e3).toPrecision(3)} µs`;
  if (nanos < 1e9) return `${(nanos / 1e6).toPrecision(nanos < 1e8 ? 3 : 4)} ms`;
  return `${(nanos / 1e9).toFixed(3)} s`;
}

/** A wait with its length. */
function waitText({ name, node, length, ended, exceeded }) {
  const more = ended ? "" : " and more";
  return `${exceeded ? "✗" : "✓"} ${name} on ${node}: ${lengthOf(length)}${more}`;
}

/** The first index whose number is `least` or more, in ascending numbers. */
function lowerBound(numbers, least, from = 0, to = numbers.length) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (numbers[middle] < least) from = middle + 1;
    else to = middle;
  }
  return from;
}

// The study's data, and what every part of the page shares: names, numbers as text, and the state of the reader's choices.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
// Values come a column a name; here they become an object a trial. Only some trials have their layers with them.
const trials = data.rows.map((number, place) => {
  const trial = { number };
  for (const [name, values] of Object.entries(data.columns)) trial[name] = values[place];
  trial.layers = data.layers[number];
  return trial;
});
const byNumber = new Map(trials.map((trial) => [trial.number, trial]));
const byId = (id) => document.getElementById(id);

const MOST_PINNED = 4;
const state = {
  x: data.x, y: data.y, pinned: data.pinned.filter((number) => byNumber.has(number)), hovered: null,
  limits: new Map(), sort: { key: data.y, down: data.directions[data.y] === "maximize" }, rows: 100,
};

// Every text of the page that comes from a file passes through here: as text, never as markup.
function element(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function button(text, action, className) {
  const node = element("button", text, className);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

const known = (value) => value !== null && value !== undefined;
const short = (key) => data.short[key] ?? key;
const label = (key) => data.labels[key] ?? short(key);

// A number as a reader wants it: whole where it is large, in three digits where it is small.
function format(value, key) {
  if (!known(value)) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number" || key === "seed" || key === "number") return String(value);
  if (key === "accuracy") return (100 * value).toFixed(1) + " %";
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return value.toLocaleString("en", digits).replace("-", "−");
}

const low = (trial, key) => trial[key + "_low"] ?? trial[key];
const high = (trial, key) => trial[key + "_high"] ?? trial[key];
const exact = (trial, key) => low(trial, key) === high(trial, key);
const range = (trial, key) => (exact(trial, key) ? "" : `${format(low(trial, key), key)} … ${format(high(trial, key), key)}`);

// Where a trial is on an axis: accuracy in per cent, a name by its place among the names.
function place(trial, key) {
  const value = trial[key];
  if (!known(value)) return null;
  if (key === "accuracy") return 100 * value;
  return data.names[key] ? data.names[key].indexOf(String(value)) : value;
}

const better = (key) => (data.directions[key] === "maximize" ? 1 : -1);
const finished = (trial) => trial.state === "complete";

// Draw again when a box gets another width, not when it is first seen.
function onResize(box, draw) {
  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    draw();
  }).observe(box);
}

// Limits ------------------------------------------------------------------------------------------------------------
// One set of limits, [lowest, highest] a key, whoever sets them: the form or a drag along an axis.
function setLimit(key, lowest, highest) {
  if (lowest === null && highest === null) state.limits.delete(key);
  else state.limits.set(key, [lowest, highest]);
  refresh();
}

function passes(trial) {
  for (const [key, [lowest, highest]] of state.limits) {
    const value = place(trial, key);
    if (value === null || (lowest !== null && value < lowest) || (highest !== null && value > highest)) return false;
  }
  return true;
}

const visible = () => trials.filter(passes);

// Pins --------------------------------------------------------------------------------------------------------------
const pinLetter = (number) => "ABCD"[state.pinned.indexOf(number)];

function togglePin(number) {
  const at = state.pinned.indexOf(number);
  if (at >= 0) state.pinned.splice(at, 1);
  else {
    if (state.pinned.length === MOST_PINNED) state.pinned.shift();
    state.pinned.push(number);
  }
  byId("announce").textContent = at >= 0 ? `Trial ${number} is no longer compared.` : `Trial ${number} is compared.`;
  drawCompared();
  drawHovered();
  drawScatter();
  drawParallel();
  markRows();
}

// The page of one study. All data are in the JSON block; every text from it enters the page as text, never as markup.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
// Trials come as rows of values under one list of names; layers, which only trials of the front have, by number.
data.trials = data.rows.map((row) => Object.fromEntries(data.names.map((name, place) => [name, row[place]])));
for (const trial of data.trials) trial.layers = data.layers[trial.number];
const byId = (id) => document.getElementById(id);
const MOST_PINNED = 4;
const ROWS_AT_FIRST = 200;
const state = { x: data.panels[0], sort: { key: "accuracy", down: true }, pinned: [], allRows: false };

function element(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function format(value, key) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (key === "accuracy") return (100 * value).toFixed(1) + " %";
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function interval(trial, key) {
  const low = trial[key + "_low"], high = trial[key + "_high"];
  const range = low === undefined || low === null || low === high ? "" : ` [${format(low, key)} … ${format(high, key)}]`;
  return format(trial[key], key) + range;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

// Filters -----------------------------------------------------------------------------------------------------------

function buildControls() {
  const select = byId("x-axis");
  for (const key of data.panels) {
    const option = element("option", data.labels[key]);
    option.value = key;
    select.append(option);
  }
  select.addEventListener("change", () => { state.x = select.value; drawScatter(); });
  for (const [key, relation] of data.filters) {
    const label = element("label", `${data.short[key]} ${relation === "<=" ? "≤" : "≥"} `);
    const input = element("input");
    input.type = "number";
    input.step = "any";
    input.dataset.key = key;
    input.dataset.relation = relation;
    input.addEventListener("input", refresh);
    label.append(input);
    byId("filters").append(label);
  }
  byId("controls").addEventListener("reset", () => setTimeout(() => { select.value = state.x; refresh(); }));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => { state.allRows = true; drawTable(); });
}

function passes(trial) {
  return [...byId("filters").querySelectorAll("input")].every((input) => {
    if (input.value === "") return true;
    const value = trial[input.dataset.key];
    if (value === null || value === undefined) return false;
    const limit = Number(input.value) / (input.dataset.key === "accuracy" ? 100 : 1);
    return input.dataset.relation === "<=" ? value <= limit : value >= limit;
  });
}

const visible = () => data.trials.filter(passes);
const drawable = (trial) => trial.accuracy !== null && trial[state.x] !== null && trial.state === "complete";

// Scatter -----------------------------------------------------------------------------------------------------------

function layout(extra) {
  return Object.assign({
    paper_bgcolor: colour("ground"), plot_bgcolor: colour("ground"), font: { color: colour("text"), size: 13 },
    margin: { l: 60, r: 20, t: 20, b: 50 }, showlegend: true, legend: { orientation: "h", y: 1.08 }, hovermode: "closest",
  }, extra);
}

const PLOT_OPTIONS = { responsive: true, displaylogo: false, displayModeBar: false };

function drawScatter() {
  const shown = visible().filter(drawable);
  const groups = [
    ["dominated", "circle", colour("dominated"), shown.filter((trial) => !trial.front)],
    ["Pareto front", "diamond", colour("front"), shown.filter((trial) => trial.front)],
  ];
  const traces = groups.map(([name, symbol, tint, trials]) => ({
    type: trials.length > 5000 ? "scattergl" : "scatter", mode: "markers", name, hoverinfo: "none",
    x: trials.map((trial) => trial[state.x]), y: trials.map((trial) => 100 * trial.accuracy),
    customdata: trials.map((trial) => trial.number),
    error_x: {
      type: "data", symmetric: false, thickness: 1, width: 2, color: tint,
      array: trials.map((trial) => (trial[state.x + "_high"] ?? trial[state.x]) - trial[state.x]),
      arrayminus: trials.map((trial) => trial[state.x] - (trial[state.x + "_low"] ?? trial[state.x])),
    },
    marker: { symbol, size: 10, color: tint },
  }));
  const pinned = shown.filter((trial) => state.pinned.includes(trial.number));
  traces.push({
    type: "scatter", mode: "markers", name: "pinned", hoverinfo: "skip", showlegend: pinned.length > 0,
    x: pinned.map((trial) => trial[state.x]), y: pinned.map((trial) => 100 * trial.accuracy),
    marker: { symbol: "circle-open", size: 18, color: colour("pin"), line: { width: 3 } },
  });
  const grid = { gridcolor: colour("line"), zerolinecolor: colour("line") };
  const axes = { xaxis: { title: { text: data.labels[state.x] }, ...grid }, yaxis: { title: { text: data.labels.accuracy }, ...grid } };
  const plot = byId("scatter");
  Plotly.react(plot, traces, layout(axes), PLOT_OPTIONS);
  byId("shown").textContent = `${shown.length} of ${data.trials.length} trials in the plot.`;
  if (!plot.dataset.ready) {
    plot.dataset.ready = "yes";
    plot.on("plotly_hover", (event) => showHover(event.points[0].customdata));
    plot.on("plotly_click", (event) => togglePin(event.points[0].customdata));
  }
}

function find(number) {
  return data.trials.find((trial) => trial.number === number);
}

function showHover(number) {
  byId("hover").replaceChildren(...card(find(number), false));
}

// Pinned trials -----------------------------------------------------------------------------------------------------

function togglePin(number) {
  const place = state.pinned.indexOf(number);
  if (place >= 0) state.pinned.splice(place, 1);
  else {
    if (state.pinned.length === MOST_PINNED) state.pinned.shift();
    state.pinned.push(number);
  }
  drawPinned();
  drawScatter();
  markRows();
}

function drawPinned() {
  byId("pinned-empty").hidden = state.pinned.length > 0;
  byId("pinned").replaceChildren(...state.pinned.map((number) => {
    const box = element("article", null, "card");
    const remove = element("button", "Unpin");
    remove.type = "button";
    remove.addEventListener("click", () => togglePin(number));
    box.append(...card(find(number), true), remove);
    return box;
  }));
}

function card(trial, whole) {
  const parts = [element("h3", `Trial ${trial.number}: ${trial.design}`)];
  const figures = element("dl", null, "figures");
  for (const key of ["state", "accuracy", ...data.figures, "hardware_kind", "design_key", "reason"]) {
    if (trial[key] === null || trial[key] === undefined || trial[key] === "") continue;
    figures.append(element("dt", data.short[key] ?? key), element("dd", interval(trial, key)));
  }
  parts.push(figures);
  if (trial.lut !== null) parts.push(budget(trial));
  if (whole && trial.layers) parts.push(network(trial.layers));
  return parts;
}

function budget(trial) {
  const box = element("div", null, "budget");
  for (const [key, capacity] of Object.entries(data.capacity[trial.device] ?? {})) {
    const share = trial[key] / capacity;
    const track = element("span", null, "track");
    const fill = element("div", null, share > 1 ? "fill over" : "fill");
    fill.style.width = Math.min(100, 100 * share) + "%";
    track.append(fill);
    box.append(element("span", data.short[key]), track, element("span", (100 * share).toFixed(0) + " %"));
  }
  return box;
}

// The network as a picture: a row a layer, its open gates and its cycles as bars.
function network(layers) {
  const table = element("table", null, "network");
  const head = element("tr");
  for (const [name, number] of [["layer", 0], ["lanes", 1], ["gates open", 0], ["cycles", 0], ["LUT", 1], ["BRAM18", 1], ["DSP", 1]])
    head.append(element("th", name, number ? "number" : ""));
  table.append(head);
  const slowest = Math.max(...layers.map((layer) => layer.cycles));
  for (const layer of layers) {
    const row = element("tr", null, layer.cycles === slowest ? "slowest" : "");
    row.append(element("td", layer.name), element("td", layer.lanes || "", "number"));
    row.append(barCell(layer.open_fraction, layer.open_fraction === null ? "" : (100 * layer.open_fraction).toFixed(0) + " %", "gates"));
    row.append(barCell(layer.cycles ? layer.cycles / slowest : null, layer.cycles ? format(Math.round(layer.cycles)) : "", "cycles"));
    for (const key of ["lut", "bram18", "dsp"]) row.append(element("td", format(Math.round(layer[key])), "number"));
    row.title = `${layer.name}: ${layer.operation}${layer.output ? " → " + layer.output : ""}`;
    table.append(row);
  }
  const box = element("div", null, "sideways");
  box.tabIndex = 0;
  box.append(table);
  return box;
}

function barCell(share, text, kind) {
  const cell = element("td", null, "bar");
  if (share === null) return cell;
  const fill = element("div", text, kind);
  fill.style.setProperty("--share", (100 * share).toFixed(1) + "%");
  cell.append(fill);
  return cell;
}

// Parallel coordinates ----------------------------------------------------------------------------------------------

// Drawn when it comes into view: it is the slowest plot and not at the top of the page.
let parallelSeen = false;
new IntersectionObserver((entries) => {
  if (parallelSeen || !entries.some((entry) => entry.isIntersecting)) return;
  parallelSeen = true;
  drawParallel();
}).observe(byId("parallel"));

function drawParallel() {
  if (!parallelSeen) return;
  const shown = visible().filter((trial) => trial.state === "complete");
  const dimensions = [...data.choices, ...data.panels, "accuracy"].map((key) => dimension(key, shown));
  const scale = [[0, colour("low")], [1, colour("high")]];
  const line = { color: shown.map((trial) => 100 * trial.accuracy), colorscale: scale, showscale: false };
  const trace = { type: "parcoords", dimensions, line, labelangle: -20 };
  Plotly.react(byId("parallel"), shown.length ? [trace] : [], layout({ margin: { l: 60, r: 40, t: 70, b: 20 } }), PLOT_OPTIONS);
}

// A choice of a few values gets a mark at each; a figure gets an axis.
const MOST_MARKS = 8;
function dimension(key, trials) {
  const label = data.short[key] ?? key;
  const values = trials.map((trial) => trial[key]);
  const distinct = [...new Set(values)];
  if (!values.every((value) => typeof value === "number")) {
    const names = distinct.map(String);
    // Tick texts of this library are markup; brackets in a name are shown as dots.
    const ticktext = names.map((name) => name.replace(/[<>&]/g, "·"));
    return { label, values: values.map((value) => names.indexOf(String(value))), tickvals: names.map((_, place) => place), ticktext };
  }
  if (key === "accuracy") return { label: "accuracy %", values: values.map((value) => 100 * value) };
  return data.choices.includes(key) && distinct.length <= MOST_MARKS ? { label, values, tickvals: distinct } : { label, values };
}

// Table -------------------------------------------------------------------------------------------------------------

function columns() {
  return ["number", "state", "accuracy", ...data.figures, ...data.choices, "reason"];
}

function sorted(trials) {
  const { key, down } = state.sort;
  const rank = (trial) => trial[key];
  return [...trials].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    const missing = (x === null || x === undefined) - (y === null || y === undefined);
    if (missing) return missing;
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y));
    return down ? -order : order;
  });
}

function drawTable() {
  const head = element("tr");
  for (const key of columns()) {
    const cell = element("th", null, key === "reason" ? "text" : "");
    cell.scope = "col";
    cell.setAttribute("aria-sort", state.sort.key === key ? (state.sort.down ? "descending" : "ascending") : "none");
    const mark = state.sort.key === key ? (state.sort.down ? " ▾" : " ▴") : "";
    const button = element("button", (data.short[key] ?? key) + mark);
    button.type = "button";
    button.addEventListener("click", () => {
      state.sort = { key, down: state.sort.key === key ? !state.sort.down : true };
      drawTable();
      byId("trials").querySelectorAll("th button")[columns().indexOf(key)].focus();
    });
    cell.append(button);
    head.append(cell);
  }
  const rows = sorted(visible());
  const kept = state.allRows ? rows : rows.slice(0, ROWS_AT_FIRST);
  byId("trials").tHead.replaceChildren(head);
  byId("trials").tBodies[0].replaceChildren(...kept.map(tableRow));
  byId("more").hidden = kept.length === rows.length;
  markRows();
}

function tableRow(trial) {
  const row = element("tr", null, trial.front ? "front" : "");
  row.tabIndex = 0;
  row.dataset.number = trial.number;
  for (const key of columns()) row.append(element("td", format(trial[key], key), key === "reason" ? "text" : ""));
  row.addEventListener("click", () => togglePin(trial.number));
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); togglePin(trial.number); }
  });
  // Only for the keyboard: on a mouse click the card would move the row away before the button is released.
  row.addEventListener("focus", () => { if (row.matches(":focus-visible")) showHover(trial.number); });
  return row;
}

function markRows() {
  for (const row of byId("trials").tBodies[0].rows)
    row.setAttribute("aria-selected", state.pinned.includes(Number(row.dataset.number)));
}

// All -----------------------------------------------------------------------------------------------------------------

function refresh() {
  drawScatter();
  drawParallel();
  drawTable();
}

function drawRecord() {
  document.title = `fracdse: ${data.study}`;
  byId("title").textContent = `Study ${data.study}`;
  byId("summary").textContent = data.summary;
  for (const [name, value] of Object.entries(data.record)) byId("record").append(element("dt", name), element("dd", value));
  byId("space").textContent = data.space;
}

drawRecord();
buildControls();
refresh();
drawPinned();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
document.documentElement.dataset.ready = "yes";

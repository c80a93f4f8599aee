// Trials in words and bars: the one that is pointed at, and up to four side by side.
"use strict";

function drawHovered() {
  const trial = byNumber.get(state.hovered);
  const box = byId("hover");
  if (!trial) return box.replaceChildren(element("p", "Point at a trial to see its design here.", "hint"));
  const facts = element("dl", null, "figures");
  for (const key of ["accuracy", ...data.figures]) {
    if (!known(trial[key])) continue;
    const value = element("dd", format(trial[key], key));
    if (range(trial, key)) value.append(element("span", range(trial, key), "range"));
    facts.append(element("dt", short(key)), value);
  }
  const choices = element("p", data.choices.map((key) => `${short(key)} ${format(trial[key], key)}`).join(" · "), "choices");
  const pin = button(state.pinned.includes(trial.number) ? "Unpin" : "Pin to compare", () => togglePin(trial.number));
  box.replaceChildren(heading(trial), choices, facts, ...(known(trial.lut) ? [budget(trial)] : []), pin);
}

function heading(trial) {
  const node = element("h3", `Trial ${trial.number}: ${trial.design}`);
  const words = trial.front ? "on the front" : finished(trial) ? "dominated" : trial.state;
  node.append(element("span", words, `tag ${trial.front ? "front" : ""}`));
  if (trial.reason) node.append(element("span", trial.reason, "reason"));
  return node;
}

// What a design takes of the device: a bar a resource, the interval as a lighter end.
function budget(trial) {
  const box = element("div", null, "budget");
  for (const [key, capacity] of Object.entries(data.capacity[trial.device] ?? {})) {
    const share = trial[key] / capacity, most = high(trial, key) / capacity;
    const track = element("span", null, "track");
    const maybe = element("i", null, "maybe"), fill = element("i", null, share > 1 ? "fill over" : "fill");
    maybe.style.width = Math.min(100, 100 * most) + "%";
    fill.style.width = Math.min(100, 100 * share) + "%";
    track.append(maybe, fill);
    track.title = `${format(trial[key], key)} of ${format(capacity)} ${short(key)}${range(trial, key) ? `, 90 % interval ${range(trial, key)}` : ""}`;
    box.append(element("span", short(key)), track, element("span", (100 * share).toFixed(0) + " %"));
  }
  return box;
}

function drawCompared() {
  const pinned = state.pinned.map((number) => byNumber.get(number));
  byId("pinned-empty").hidden = pinned.length > 0;
  byId("pinned").replaceChildren(...(pinned.length ? [comparison(pinned)] : []));
  byId("networks").replaceChildren(...pinned.filter(finished).map((trial) => {
    const box = element("article", null, "card");
    const title = element("h3");
    title.append(letter(trial), `Trial ${trial.number}, layer by layer`);
    box.append(title, trial.layers?.length ? network(trial.layers, data.layer_hints[trial.number]) : element("p", data.layers_note, "hint"));
    return box;
  }));
}

const letter = (trial) => element("span", pinLetter(trial.number), `letter letter-${pinLetter(trial.number)}`);

// A column a trial, a row a figure; the best of each row is marked.
function comparison(pinned) {
  const table = element("table", null, "comparison");
  const head = element("tr");
  head.append(element("th"));
  for (const trial of pinned) {
    const cell = element("th");
    cell.scope = "col";
    const unpin = button("×", () => togglePin(trial.number), "unpin");
    unpin.setAttribute("aria-label", `Unpin trial ${trial.number}`);
    cell.append(letter(trial), `Trial ${trial.number}`, unpin, element("small", trial.design));
    head.append(cell);
  }
  table.append(head);
  const row = (key, cells, group) => {
    const line = element("tr", null, group);
    const name = element("th", short(key));
    name.scope = "row";
    line.append(name, ...cells);
    table.append(line);
  };
  for (const key of ["accuracy", ...data.figures]) {
    if (!pinned.some((trial) => known(trial[key]))) continue;
    const values = pinned.map((trial) => trial[key]);
    const best = better(key) > 0 ? d3.max(values) : d3.min(values);
    const differ = new Set(values).size > 1;
    row(key, pinned.map((trial) => {
      const cell = element("td", null, differ && trial[key] === best ? "best" : "");
      cell.append(element("span", format(trial[key], key)));
      if (known(trial[key]) && range(trial, key)) cell.append(element("span", range(trial, key), "range"));
      return cell;
    }));
  }
  row("device", pinned.map((trial) => { const cell = element("td"); if (known(trial.lut)) cell.append(budget(trial)); return cell; }), "wide");
  for (const key of [...data.choices, "hardware_kind", "state", "seed", "design_key"]) row(key, pinned.map((trial) => element("td", format(trial[key], key))), "choice");
  const box = element("div", null, "sideways");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Comparison of pinned trials");
  box.append(table);
  return box;
}

// The network as a picture: a row a layer along the pipeline, with bars for its open gates, cycles and resources.
const LAYER_BARS = [["open_fraction", "gates open", "gates"], ["cycles", "cycles", "cycles"], ["lut", "LUT", "used"], ["bram18", "BRAM18", "used"], ["dsp", "DSP", "used"]];

function network(layers, hint) {
  const table = element("table", null, "network");
  const head = element("tr");
  for (const name of ["layer", "output", "lanes", ...LAYER_BARS.map(([, name]) => name)]) head.append(element("th", name, name === "lanes" ? "number" : ""));
  table.append(head);
  const most = Object.fromEntries(LAYER_BARS.map(([key]) => [key, key === "open_fraction" ? 1 : d3.max(layers, (layer) => layer[key]) || 1]));
  const slowest = d3.max(layers, (layer) => layer.cycles);
  for (const layer of layers) {
    const row = element("tr", null, layer.cycles === slowest && slowest ? "slowest" : "");
    const name = element("td", layer.name, "layer");
    name.append(element("small", layer.operation));
    row.append(name, element("td", layer.output, "output"), element("td", layer.slices > 1 ? `${layer.lanes}/${layer.slices}` : layer.lanes || "", "number"));
    for (const [key, , kind] of LAYER_BARS) row.append(barCell(layer[key], most[key], key, kind));
    table.append(row);
  }
  const box = element("div", null, "sideways");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "The network layer by layer");
  const sliced = layers.some((layer) => layer.slices > 1) ? " Lanes 1/n: one lane that takes n cycles for every fan-in." : "";
  box.append(table, element("p", (hint ?? "") + sliced, "hint"));
  return box;
}

function barCell(value, most, key, kind) {
  const cell = element("td", null, "bar");
  if (!value && !(key === "open_fraction" && value === 0)) return cell;
  const fill = element("div", key === "open_fraction" ? (100 * value).toFixed(0) + " %" : format(Math.round(value)), kind);
  fill.style.setProperty("--share", ((100 * value) / most).toFixed(1) + "%");
  cell.append(fill);
  return cell;
}

// The parts of the page put together: head, limits and record, and what is drawn when.
"use strict";

function buildHead() {
  document.title = `fracdse: ${data.study}`;
  byId("title").textContent = data.study;
  byId("summary").textContent = data.summary;
  byId("tiles").replaceChildren(...data.tiles.map(([name, value, note]) => {
    const tile = element("div", null, "tile");
    tile.append(element("span", name), element("b", value), element("small", note));
    return tile;
  }));
  const theme = byId("theme");
  theme.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  });
}

// Limits: a field for the usual end of each figure, and behind "more" both ends of everything.
function buildLimits() {
  for (const [key, end] of data.filters) byId("filters").append(limitField(key, end, `${short(key)} ${end === "high" ? "≤" : "≥"}`));
  for (const key of data.axes) {
    const box = element("div", null, "ends");
    box.append(element("span", short(key)));
    if (data.names[key]) box.append(nameField(key));
    else box.append(limitField(key, "low", "≥", `${short(key)} at least`), limitField(key, "high", "≤", `${short(key)} at most`));
    byId("more-filters").append(box);
  }
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => { state.limits.clear(); refresh(); });
}

function limitField(key, end, text, spoken) {
  const box = element("label", text);
  const input = element("input");
  Object.assign(input, { type: "number", step: "any", inputMode: "decimal" });
  Object.assign(input.dataset, { key, end });
  if (spoken) input.setAttribute("aria-label", spoken);
  input.addEventListener("input", () => {
    const [lowest, highest] = state.limits.get(key) ?? [null, null];
    const value = input.value === "" ? null : Number(input.value);
    if (end === "low") setLimit(key, value, highest);
    else setLimit(key, lowest, value);
  });
  box.append(input);
  return box;
}

function nameField(key) {
  const select = element("select");
  select.dataset.key = key;
  select.setAttribute("aria-label", short(key));
  select.append(option("any", ""), ...data.names[key].map((name, at) => option(name, at)));
  select.addEventListener("change", () => (select.value === "" ? setLimit(key, null, null) : setLimit(key, Number(select.value), Number(select.value))));
  return select;
}

function option(text, value) {
  const node = element("option", text);
  node.value = value;
  return node;
}

function buildAxes() {
  for (const along of ["x", "y"]) {
    const select = byId(`${along}-axis`);
    select.append(...data.panels.map((key) => option(label(key), key)));
    select.value = state[along];
    select.addEventListener("change", () => { state[along] = select.value; drawScatter(); drawParallel(); });
  }
}

// Show in the form what limits are in force, whoever set them.
function showLimits() {
  for (const input of byId("controls").querySelectorAll("input")) {
    if (input === document.activeElement) continue;
    const [lowest, highest] = state.limits.get(input.dataset.key) ?? [null, null];
    input.value = (input.dataset.end === "low" ? lowest : highest) ?? "";
  }
  for (const select of byId("more-filters").querySelectorAll("select")) select.value = state.limits.get(select.dataset.key)?.[0] ?? "";
  byId("clear").disabled = state.limits.size === 0;
}

function buildRecord() {
  for (const [name, value] of Object.entries(data.record)) byId("record").append(element("dt", name), element("dd", value));
  byId("commands").textContent = data.commands.join("\n");
  byId("space").textContent = data.space;
}

function refresh() {
  showLimits();
  drawScatter();
  drawParallel();
  drawTable();
}

buildHead();
buildAxes();
buildLimits();
buildScatter();
buildParallel();
buildTable();
buildRecord();
state.hovered = state.pinned[0] ?? null;
refresh();
drawHovered();
drawCompared();
document.documentElement.dataset.ready = "yes";

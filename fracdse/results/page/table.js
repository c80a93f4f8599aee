// The table of trials: sorted by any column, filtered like everything else, walked with arrow keys.
"use strict";
const columns = ["number", "state", "accuracy", ...data.figures, ...data.choices, "hardware_kind", "reason"];
const TEXTS = new Set(["state", "hardware_kind", "reason"]);
const textual = (key) => TEXTS.has(key) || key in data.names;

function sorted(shown) {
  const { key, down } = state.sort;
  return [...shown].sort((a, b) => {
    const [x, y] = [a[key], b[key]];
    const missing = !known(x) - !known(y);
    if (missing) return missing;
    const order = typeof x === "string" ? x.localeCompare(String(y)) : x - y;
    return (down ? -order : order) || a.number - b.number;
  });
}

function drawHead() {
  const head = element("tr");
  for (const key of columns) {
    const cell = element("th", null, textual(key) ? "text" : "");
    cell.scope = "col";
    const current = state.sort.key === key;
    cell.setAttribute("aria-sort", current ? (state.sort.down ? "descending" : "ascending") : "none");
    cell.append(button(short(key) + (current ? (state.sort.down ? " ▾" : " ▴") : ""), () => {
      state.sort = { key, down: current ? !state.sort.down : better(key) > 0 && key in data.directions };
      drawTable();
      byId("trials").tHead.querySelectorAll("button")[columns.indexOf(key)].focus();
    }));
    head.append(cell);
  }
  byId("trials").tHead.replaceChildren(head);
}

function drawTable() {
  drawHead();
  const rows = sorted(visible());
  const kept = rows.slice(0, state.rows);
  byId("trials").tBodies[0].replaceChildren(...kept.map(tableRow));
  byId("more").hidden = kept.length === rows.length;
  byId("more").textContent = `Show all ${rows.length} rows`;
  markRows();
}

function tableRow(trial, at) {
  const row = element("tr", null, trial.front ? "front" : "");
  row.tabIndex = at === 0 ? 0 : -1;
  row.dataset.number = trial.number;
  for (const key of columns) row.append(element("td", format(trial[key], key), textual(key) ? "text" : ""));
  return row;
}

function markRows() {
  for (const row of byId("trials").tBodies[0].rows) {
    const letter = pinLetter(Number(row.dataset.number));
    row.setAttribute("aria-selected", Boolean(letter));
    row.cells[0].dataset.letter = letter ?? "";
  }
}

function buildTable() {
  const body = byId("trials").tBodies[0];
  const rowOf = (event) => event.target.closest("tr");
  body.addEventListener("click", (event) => { const row = rowOf(event); if (row) togglePin(Number(row.dataset.number)); });
  body.addEventListener("pointerover", (event) => { const row = rowOf(event); if (row) hover(Number(row.dataset.number)); });
  // Only one row is a stop of the Tab key; arrows walk on from it.
  body.addEventListener("keydown", (event) => {
    const row = rowOf(event);
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling, Home: body.firstElementChild, End: body.lastElementChild }[event.key];
    if (next) { row.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    else if (event.key === "Enter" || event.key === " ") togglePin(Number(row.dataset.number));
    else return;
    event.preventDefault();
  });
  body.addEventListener("focusin", (event) => { const row = rowOf(event); if (row) hover(Number(row.dataset.number)); });
  byId("more").addEventListener("click", () => { state.rows = Infinity; drawTable(); });
}

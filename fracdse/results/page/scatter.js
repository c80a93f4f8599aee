// The trade-off: a point a trial, intervals as bars, and the best that the front has at each cost as a line.
"use strict";
const MOST_BARS = 300; // more intervals than this would hide the points; the front keeps its own
const NEAR_PX = 32;
const scatter = { shown: [], front: [], x: null, y: null };

function scatterScale(key, shown, span) {
  const ends = shown.filter((trial) => trial.front || shown.length <= MOST_BARS);
  const values = [...shown.map((trial) => place(trial, key)), ...ends.flatMap((trial) => intervalPlace(trial, key))];
  let [first, last] = d3.extent(values);
  if (first === undefined) [first, last] = [0, 1];
  const margin = 0.05 * (last - first) || 0.05 * Math.abs(last) || 1;
  const start = first >= 0 ? Math.max(0, first - margin) : first - margin;
  return d3.scaleLinear([start, last + margin], span);
}

// The best value that the front reaches at a cost of x or better, as steps; the last goes on to the edge.
function frontLine(front) {
  const ordered = d3.sort(front, (trial) => -better(state.x) * place(trial, state.x), (trial) => -better(state.y) * place(trial, state.y));
  const corners = [];
  let best = -Infinity;
  for (const trial of ordered) {
    const value = better(state.y) * place(trial, state.y);
    if (value > best) corners.push([scatter.x(place(trial, state.x)), scatter.y(place(trial, state.y))]);
    best = Math.max(best, value);
  }
  if (corners.length) corners.push([scatter.x.range()[better(state.x) > 0 ? 0 : 1], corners.at(-1)[1]]);
  return d3.line().curve(d3.curveStepAfter)(corners);
}

const pointX = (trial) => scatter.x(place(trial, state.x));
const pointY = (trial) => scatter.y(place(trial, state.y));

// Accuracy is exact, so an interval needs no per cent.
const intervalPlace = (trial, key) => (exact(trial, key) ? [] : [low(trial, key), high(trial, key)]);

function bars(shown) {
  return shown.map((trial) => {
    const [x, y] = [pointX(trial), pointY(trial)];
    const [left, right] = intervalPlace(trial, state.x).map(scatter.x);
    const [bottom, top] = intervalPlace(trial, state.y).map(scatter.y);
    return (left === undefined ? "" : `M${left},${y}H${right}`) + (bottom === undefined ? "" : `M${x},${bottom}V${top}`);
  }).join("");
}

// One path for all circles: thousands are drawn as fast as one.
function circles(shown, r) {
  const circle = `m${-r},0a${r},${r},0,1,0,${2 * r},0a${r},${r},0,1,0,${-2 * r},0`;
  return shown.map((trial) => `M${pointX(trial)},${pointY(trial)}${circle}`).join("");
}

function drawScatter() {
  const box = byId("scatter");
  const width = box.clientWidth, height = box.clientHeight;
  const inner = { left: state.y === "accuracy" ? 54 : 84, right: width - 14, top: 14, bottom: height - 46 };
  const shown = visible().filter((trial) => finished(trial) && place(trial, state.x) !== null && place(trial, state.y) !== null);
  scatter.shown = shown;
  scatter.front = d3.sort(shown.filter((trial) => trial.front), (trial) => place(trial, state.x));
  scatter.x = scatterScale(state.x, shown, [inner.left, inner.right]);
  scatter.y = scatterScale(state.y, shown, [inner.bottom, inner.top]);
  const svg = d3.create("svg").attr("width", width).attr("height", height).attr("aria-hidden", "true");
  const ticks = Math.max(4, Math.round(width / 110));
  svg.append("g").attr("class", "grid").attr("transform", `translate(0,${inner.bottom})`).call(d3.axisBottom(scatter.x).ticks(ticks).tickSize(inner.top - inner.bottom).tickPadding(8));
  svg.append("g").attr("class", "grid").attr("transform", `translate(${inner.left},0)`).call(d3.axisLeft(scatter.y).ticks(6).tickSize(inner.left - inner.right).tickPadding(8));
  svg.append("text").attr("class", "axis-name").attr("x", (inner.left + inner.right) / 2).attr("y", height - 6).attr("text-anchor", "middle").text(`${label(state.x)} ${better(state.x) > 0 ? "→ better" : "← better"}`);
  svg.append("text").attr("class", "axis-name").attr("transform", `translate(13,${(inner.top + inner.bottom) / 2}) rotate(-90)`).attr("text-anchor", "middle").text(label(state.y));
  const rest = shown.filter((trial) => !trial.front);
  if (rest.length <= MOST_BARS) svg.append("path").attr("class", "bars rest").attr("d", bars(rest));
  svg.append("path").attr("class", "points rest").attr("d", circles(rest, rest.length > MOST_BARS ? 2.6 : 4));
  svg.append("path").attr("class", "front-line").attr("d", frontLine(scatter.front));
  svg.append("path").attr("class", "bars front").attr("d", bars(scatter.front));
  svg.append("g").selectAll("path").data(scatter.front).join("path").attr("class", "point front").attr("data-number", (trial) => trial.number)
    .attr("d", d3.symbol(d3.symbolDiamond, 84)()).attr("transform", (trial) => `translate(${pointX(trial)},${pointY(trial)})`);
  drawPinMarks(svg, shown);
  svg.append("g").attr("class", "cursor").attr("display", "none").call((group) => {
    group.append("path").attr("class", "bars");
    group.append("circle").attr("r", 9);
  });
  box.replaceChildren(svg.node());
  byId("shown").textContent = `${shown.length} of ${trials.length} trials in the plot, ${scatter.front.length} of them on the front.`;
  byId("nothing").hidden = shown.length > 0;
  drawCursor();
}

function drawPinMarks(svg, shown) {
  const pinned = shown.filter((trial) => state.pinned.includes(trial.number));
  const groups = svg.append("g").selectAll("g").data(pinned).join("g").attr("class", (trial) => `pin pin-${pinLetter(trial.number)}`)
    .attr("transform", (trial) => `translate(${pointX(trial)},${pointY(trial)})`);
  groups.append("circle").attr("r", 9);
  groups.append("text").attr("y", -13).attr("text-anchor", "middle").text((trial) => pinLetter(trial.number));
}

// The pointed-at trial, by mouse or by arrow keys.
function drawCursor() {
  const trial = scatter.shown.find((one) => one.number === state.hovered);
  const cursor = d3.select("#scatter .cursor").attr("display", trial ? null : "none");
  if (!trial) return;
  cursor.select("path").attr("d", bars([trial]));
  cursor.select("circle").attr("cx", pointX(trial)).attr("cy", pointY(trial));
}

function hover(number) {
  if (number === state.hovered) return;
  state.hovered = number;
  drawCursor();
  markLine();
  drawHovered();
}

function nearest(event) {
  const [x, y] = d3.pointer(event, byId("scatter"));
  const distance = (trial) => Math.hypot(pointX(trial) - x, pointY(trial) - y) - (trial.front ? 4 : 0);
  const found = d3.least(scatter.shown, distance);
  return found && distance(found) < NEAR_PX ? found : null;
}

function buildScatter() {
  const box = byId("scatter");
  box.addEventListener("pointermove", (event) => { const trial = nearest(event); box.style.cursor = trial ? "pointer" : ""; if (trial) hover(trial.number); });
  box.addEventListener("click", (event) => { const trial = nearest(event); if (trial) { hover(trial.number); togglePin(trial.number); } });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const line = scatter.front.length ? scatter.front : d3.sort(scatter.shown, pointX);
    if (step && line.length) {
      const at = line.findIndex((trial) => trial.number === state.hovered);
      hover(line[at < 0 ? 0 : (at + step + line.length) % line.length].number);
    } else if ((event.key === "Enter" || event.key === " ") && state.hovered !== null) togglePin(state.hovered);
    else return;
    event.preventDefault();
  });
  onResize(box, drawScatter);
}

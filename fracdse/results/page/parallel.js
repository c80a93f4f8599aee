// Every choice and figure at once: a line a trial through parallel axes. A drag along an axis limits the whole page.
"use strict";
const CLASSES = 5; // shades of accuracy
const AXIS_PX = 96;
const MOST_STRONG = 300; // of more lines than this, all but the front are drawn faintly
const NAME_LETTERS = 14;
const parallel = { seen: false, axes: new Map(), x: null, drawn: null };

function parallelAxis(key, span) {
  const values = trials.filter(finished).map((trial) => place(trial, key)).filter((value) => value !== null);
  const distinct = d3.sort(new Set(values));
  const names = data.names[key];
  let [first, last] = d3.extent(values);
  if (first === undefined) [first, last] = [0, 1];
  if (first === last) [first, last] = [first - 1, last + 1];
  const scale = d3.scaleLinear([first, last], span);
  const axis = d3.axisLeft(scale).tickSize(5);
  if (names) axis.tickValues(distinct).tickFormat((at) => names[at].length > NAME_LETTERS ? names[at].slice(0, NAME_LETTERS - 1) + "…" : names[at]);
  else if (distinct.length <= 8 && data.choices.includes(key)) axis.tickValues(distinct).tickFormat((value) => format(value));
  else axis.ticks(6);
  return { scale, axis };
}

const parallelLine = (trial) => {
  let path = "", pen = "M";
  for (const [key, { scale }] of parallel.axes) {
    const value = place(trial, key);
    if (value === null) continue;
    path += `${pen}${parallel.x(key).toFixed(1)},${scale(value).toFixed(1)}`;
    pen = "L";
  }
  return path;
};

function drawParallel() {
  if (!parallel.seen) return;
  const keys = data.axes;
  const box = byId("parallel");
  const width = Math.max(box.parentElement.clientWidth, AXIS_PX * keys.length), height = box.clientHeight;
  parallel.x = d3.scalePoint(keys, [56, width - 46]);
  parallel.axes = new Map(keys.map((key) => [key, parallelAxis(key, [height - 18, 46])]));
  const svg = d3.create("svg").attr("width", width).attr("height", height);
  const all = trials.filter(finished);
  const kept = d3.sort(all.filter(passes), (trial) => trial[state.y]);
  svg.append("path").attr("class", "line out").attr("d", all.filter((trial) => !passes(trial)).map(parallelLine).join(""));
  const size = Math.ceil(kept.length / CLASSES) || 1;
  const sorted = better(state.y) > 0 ? kept : kept.reverse();
  const shadeOf = new Map(sorted.map((trial, at) => [trial, Math.floor(at / size)]));
  for (const front of [false, true])
    for (let shade = 0; shade < CLASSES; shade++) {
      const some = sorted.filter((trial) => trial.front === front && shadeOf.get(trial) === shade);
      const faint = !front && kept.length > MOST_STRONG ? "faint" : "";
      svg.append("path").attr("class", `line shade-${shade} ${faint}`).attr("d", some.map(parallelLine).join(""));
    }
  for (const number of state.pinned) svg.append("path").attr("class", `line pin-${pinLetter(number)}`).attr("d", parallelLine(byNumber.get(number)));
  svg.append("path").attr("class", "line cursor");
  for (const [key, { scale, axis }] of parallel.axes) drawParallelAxis(svg, key, scale, axis);
  box.replaceChildren(svg.node());
  markLine();
}

function drawParallelAxis(svg, key, scale, axis) {
  const group = svg.append("g").attr("class", "axis").attr("transform", `translate(${parallel.x(key)},0)`);
  group.call(axis);
  group.append("text").attr("class", "axis-name").attr("y", 18).attr("text-anchor", "middle").text(short(key));
  group.append("text").attr("class", "axis-hint").attr("y", 34).attr("text-anchor", "middle")
    .text(data.directions[key] && data.figures.concat("accuracy").includes(key) ? (better(key) > 0 ? "↑ better" : "↓ better") : "");
  const [bottom, top] = scale.range();
  const brush = d3.brushY().extent([[-14, top - 6], [14, bottom + 6]]).on("end", (event) => {
    if (!event.sourceEvent) return;
    if (!event.selection) return setLimit(key, null, null);
    const [a, b] = event.selection.map(scale.invert);
    const digits = (value) => Number(value.toPrecision(4));
    setLimit(key, digits(Math.min(a, b)), digits(Math.max(a, b)));
  });
  const handle = group.append("g").attr("class", "brush").call(brush);
  if (state.limits.has(key)) {
    const [lowest, highest] = state.limits.get(key);
    const at = (value, end) => Math.min(bottom + 6, Math.max(top - 6, value === null ? end : scale(value)));
    handle.call(brush.move, [at(highest, top - 6), at(lowest, bottom + 6)]);
  }
}

function markLine() {
  const trial = byNumber.get(state.hovered);
  d3.select("#parallel .cursor").attr("d", trial && finished(trial) ? parallelLine(trial) : null);
}

function buildParallel() {
  // Drawn when it comes into view: it is far down the page.
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    parallel.seen = true;
    drawParallel();
    onResize(byId("parallel").parentElement, drawParallel);
  }, { rootMargin: "200px" }).observe(byId("parallel"));
}

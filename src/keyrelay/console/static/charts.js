// Charts: lines and bars of the last hour, drawn by uPlot out of the console's own documents.
"use strict";

(() => {
  const HEIGHT = 160;
  const charts = new Map();
  // light-dark() is resolved by an element that has the colour, not by the variable.
  const resolved = (name) => {
    const probe = document.createElement("span");
    probe.className = `ink-${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const STACK = [["delivered", "good"], ["locked", "calm"], ["deferred", "warn"], ["uncertain", "warn"], ["rejected", "bad"]];

  const stacked = (told) => {
    const sums = told.minutes.map(() => 0);
    return STACK.map(([name]) => told[name].map((count, place) => (sums[place] += count)));
  };
  const drawing = {
    outcomes: (told) => ({
      data: [told.minutes, ...stacked(told).reverse()],
      series: [...STACK].reverse().map(([label, ink]) => ({ label, stroke: resolved(ink), fill: resolved(ink), width: 0, paths: uPlot.paths.bars({ size: [0.8, 12] }), points: { show: false } })),
      values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? tick : "")),
    }),
    durations: (told) => ({
      data: [told.minutes, told.p50, told.p99],
      series: [["p50", "good"], ["p99", "calm"]].map(([label, ink]) => ({ label, stroke: resolved(ink), width: 2, spanGaps: true, points: { show: true, size: 5 } })),
      values: (_, ticks) => ticks.map((tick) => (tick < 1 ? `${Math.round(tick * 1000)} ms` : `${tick} s`)),
    }),
  };

  const room = (figure) => figure.clientWidth - parseFloat(getComputedStyle(figure).paddingLeft) * 2;
  // A chart that has come beside it leaves less room.
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) charts.get(target)?.setSize({ width: room(target), height: HEIGHT });
  });

  const draw = async (figure) => {
    const answer = await fetch(figure.dataset.chart).catch(() => ({ ok: false })); // drawn the next time
    if (!answer.ok) return;
    const told = await answer.json();
    if (figure.dataset.kind === "durations" && told.p50.every((each) => each === null)) return;
    figure.hidden = false;
    const drawn = drawing[figure.dataset.kind](told);
    const axis = { stroke: resolved("soft"), grid: { stroke: resolved("line"), width: 1 }, ticks: { show: false } };
    charts.get(figure)?.destroy();
    figure.querySelector(".bars")?.classList.add("visually-hidden");
    resized.observe(figure);
    charts.set(figure, new uPlot({
      width: room(figure),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(high, figure.dataset.kind === "outcomes" ? 4 : 0.01)] } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, 5)) }, { ...axis, size: 55, values: drawn.values }],
      series: [{}, ...drawn.series],
    }, drawn.data, figure));
  };

  const all = () => { for (const figure of document.querySelectorAll("[data-chart]")) draw(figure); };
  let due = 0;
  const soon = () => { due ||= setTimeout(() => { due = 0; if (!document.hidden) all(); }, 5000); };
  document.getElementById("live")?.addEventListener("told", soon);
  setInterval(soon, 60000);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
})();

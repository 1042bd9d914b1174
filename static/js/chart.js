// The chart of events by day: bars from zero, a tip under the pointer, a table in its place on demand.
(function () {
  "use strict";
  var drawn = [];

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function draw(box) {
    var source = document.getElementById(box.dataset.chart);
    if (!source || !window.uPlot) { return; }
    var data = JSON.parse(source.textContent);
    var moments = data[0], counts = data[1];
    var places = moments.map(function (_, place) { return place; });  // one step a day with events: no empty stretches
    var language = document.documentElement.lang;
    var day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
    var full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
    var number = new Intl.NumberFormat(language);
    var compact = new Intl.NumberFormat(language, { notation: "compact" });
    function at(place) { return moments[place] === undefined ? null : new Date(moments[place] * 1000); }

    box.replaceChildren();
    box.style.position = "relative";
    var tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    var axis = { stroke: colour("--ink-3"), font: "12px Inter, system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    var plot = new window.uPlot({
      width: box.clientWidth, height: 260, padding: [12, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: function () { return [-0.6, places.length - 0.4]; } }, y: { range: function (_, low, high) { return [0, Math.max(1, high) * 1.08]; } } },
      axes: [
        Object.assign({}, axis, { grid: { show: false }, size: 28, space: 80, incrs: [1, 2, 7, 14, 30, 60, 90], values: function (_, ticks) { return ticks.map(function (tick) { return at(tick) ? day.format(at(tick)) : ""; }); } }),
        Object.assign({}, axis, { size: 48, space: 44, values: function (_, ticks) { return ticks.map(function (tick) { return compact.format(tick); }); } }),
      ],
      series: [{}, { label: box.dataset.label, fill: colour("--accent"), width: 0, paths: window.uPlot.paths.bars({ size: [0.78, 28], radius: 0.25 }), points: { show: false } }],
      hooks: {
        setCursor: [function (self) {
          var place = self.cursor.idx;
          tip.hidden = place === null || place === undefined || self.cursor.left < 0;
          if (tip.hidden) { return; }
          tip.textContent = full.format(at(place)) + ": " + number.format(counts[place]);
          var left = self.valToPos(place, "x") + self.over.offsetLeft;
          tip.style.left = Math.min(box.clientWidth - 80, Math.max(80, left)) + "px";
          tip.style.top = Math.max(34, self.valToPos(counts[place], "y") + self.over.offsetTop) + "px";
        }],
      },
    }, [places, counts], box);
    box.append(tip);
    drawn.push({ box: box, plot: plot });
  }

  function drawAll(root) {
    drawn = drawn.filter(function (one) { return document.contains(one.box); });
    root.querySelectorAll("[data-chart]").forEach(draw);
  }
  drawAll(document);
  document.body.addEventListener("htmx:afterSwap", function (event) { drawAll(event.detail.target); });
  document.body.addEventListener("htmx:historyRestore", function () { drawAll(document); });
  document.addEventListener("theme", function () { drawAll(document); });
  var waiting = 0;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () { drawn.forEach(function (one) { one.plot.setSize({ width: one.box.clientWidth, height: 260 }); }); }, 120);
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-chart-table]");
    if (!button) { return; }
    var card = button.closest(".chart-box"), table = card.querySelector(".chart-table"), chart = card.querySelector(".chart");
    table.hidden = !table.hidden;
    chart.hidden = !table.hidden;
    button.setAttribute("aria-pressed", String(!table.hidden));
  });
})();

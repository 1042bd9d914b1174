// The reliability curve and the histogram of confidence, a range beside its number, and suggested values for a field.
(function () {
  "use strict";

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function language() { return document.documentElement.lang; }
  function percent(share) { return new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 0 }).format(share); }
  function axis(label, more) {
    return Object.assign({ stroke: colour("--ink-3"), font: "12px Inter, system-ui, sans-serif", labelFont: "12px Inter, system-ui, sans-serif", labelSize: 20, label: label, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } }, more);
  }
  function tipIn(box) {
    box.replaceChildren();
    box.style.position = "relative";
    var tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    return tip;
  }
  function show(tip, box, self, left, top, words) {
    tip.hidden = false;
    tip.textContent = words;
    tip.style.left = Math.min(box.clientWidth - 90, Math.max(90, left + self.over.offsetLeft)) + "px";
    tip.style.top = Math.max(34, top + self.over.offsetTop) + "px";
  }
  function height(box) { return box.clientHeight || 300; }

  // Every series on the common x values, so that one cursor serves all; what a series lacks there is null.
  function together(series) {
    var xs = Array.from(new Set(series.flatMap(function (one) { return one.points.map(function (point) { return point[0]; }); }))).sort(function (a, b) { return a - b; });
    return [xs].concat(series.map(function (one) {
      var at = new Map(one.points.map(function (point) { return [point[0], point]; }));
      return xs.map(function (x) { return at.has(x) ? at.get(x)[1] : null; });
    }));
  }

  function drawCurve(box) {
    var series = JSON.parse(document.getElementById(box.dataset.reliability).textContent);
    var words = box.dataset, tip = tipIn(box), data = together(series);
    var colours = series.map(function (one) { return colour(one.kind === "queue" ? "--source-label_affinity" : "--accent"); });
    function diagonal(self) {
      var context = self.ctx, line = [[0, 0], [1, 1]].map(function (point) { return [self.valToPos(point[0], "x", true), self.valToPos(point[1], "y", true)]; });
      context.save();
      context.strokeStyle = colour("--ink-3");
      context.lineWidth = 1.5 * devicePixelRatio;
      context.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
      context.beginPath();
      context.moveTo(line[0][0], line[0][1]);
      context.lineTo(line[1][0], line[1][1]);
      context.stroke();
      context.restore();
    }
    function intervals(self) {
      var context = self.ctx;
      context.save();
      series.forEach(function (one, place) {
        context.strokeStyle = context.fillStyle = colours[place];
        one.points.forEach(function (point) {
          var x = self.valToPos(point[0], "x", true), low = self.valToPos(point[2], "y", true), high = self.valToPos(point[3], "y", true), y = self.valToPos(point[1], "y", true);
          context.globalAlpha = 0.45;
          context.lineWidth = 2 * devicePixelRatio;
          context.beginPath(); context.moveTo(x, low); context.lineTo(x, high); context.stroke();
          context.globalAlpha = 1;
          context.beginPath();
          if (one.kind === "queue") { context.arc(x, y, 4.5 * devicePixelRatio, 0, 2 * Math.PI); } else { var r = 4 * devicePixelRatio; context.rect(x - r, y - r, 2 * r, 2 * r); }
          context.fill();
        });
      });
      context.restore();
    }
    var plot = new window.uPlot({
      width: box.clientWidth, height: height(box), padding: [12, 14, 0, 0], legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [axis(words.wordClaimed, { size: 30, space: 50, values: function (_, ticks) { return ticks.map(percent); } }), axis(words.wordRight, { size: 46, space: 40, values: function (_, ticks) { return ticks.map(percent); } })],
      series: [{}].concat(series.map(function (one, place) { return { label: one.name, stroke: colours[place], width: 2, spanGaps: true, points: { show: false } }; })),
      hooks: {
        drawAxes: [diagonal], draw: [intervals],
        setCursor: [function (self) {
          var place = self.cursor.idx;
          if (place === null || place === undefined || self.cursor.left < 0) { tip.hidden = true; return; }
          var x = data[0][place], which = series.findIndex(function (_, one) { return data[one + 1][place] !== null; });
          var point = series[which].points.find(function (one) { return one[0] === x; });
          var told = series[which].name + ": " + percent(point[0]) + " → " + percent(point[1]) + " (" + percent(point[2]) + "–" + percent(point[3]) + ") " + words.wordOf + " " + new Intl.NumberFormat(language()).format(point[4]);
          show(tip, box, self, self.valToPos(x, "x"), self.valToPos(point[1], "y"), told);
        }],
      },
    }, data, box);
    box.append(tip);
    return plot;
  }

  function drawHistogram(box) {
    var bars = JSON.parse(document.getElementById(box.dataset.histogram).textContent);
    var words = box.dataset, tip = tipIn(box), number = new Intl.NumberFormat(language()), compact = new Intl.NumberFormat(language(), { notation: "compact" });
    var step = bars.length > 1 ? bars[1][0] - bars[0][0] : 1;
    var data = [bars.map(function (bar) { return bar[0] + step / 2; }), bars.map(function (bar) { return bar[1]; }), bars.map(function (bar) { return bar[2]; })];
    var shape = window.uPlot.paths.bars({ size: [0.86, 40], radius: 0.15 });
    var plot = new window.uPlot({
      width: box.clientWidth, height: height(box), padding: [12, 14, 0, 0], legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: [0, 1] }, y: { range: function (_, low, high) { return [0, Math.max(1, high) * 1.08]; } } },
      axes: [axis(words.wordX, { size: 30, space: 50, grid: { show: false }, values: function (_, ticks) { return ticks.map(percent); } }), axis(words.wordY, { size: 52, space: 40, values: function (_, ticks) { return ticks.map(function (tick) { return tick % 1 ? "" : compact.format(tick); }); } })],
      series: [{}, { fill: colour("--accent"), width: 0, paths: shape, points: { show: false } }, { fill: colour("--source-label_affinity"), width: 0, paths: shape, points: { show: false } }],
      hooks: {
        setCursor: [function (self) {
          var place = self.cursor.idx;
          if (place === null || place === undefined || self.cursor.left < 0) { tip.hidden = true; return; }
          var bar = bars[place];
          var told = percent(bar[0]) + "–" + percent(bar[0] + step) + ": " + number.format(bar[1]) + (bar[2] ? ", " + number.format(bar[2]) + " " + words.wordWithheld : "");
          show(tip, box, self, self.valToPos(data[0][place], "x"), self.valToPos(bar[1], "y"), told);
        }],
      },
    }, data, box);
    box.append(tip);
    return plot;
  }

  window.recsiteRedrawn("[data-reliability]", drawCurve, height);
  window.recsiteRedrawn("[data-histogram]", drawHistogram, height);

  // A range and the number beside it say the same.
  document.addEventListener("input", function (event) {
    var range = event.target.closest && event.target.closest("[data-mirrors]");
    if (range) { document.getElementById(range.dataset.mirrors).value = range.value; return; }
    var mirrored = event.target.closest && event.target.closest("[data-mirrored]");
    if (mirrored) { document.querySelector("[data-mirrors='" + mirrored.id + "']").value = mirrored.value; }
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-fill]");
    if (!button) { return; }
    var field = document.getElementById(button.dataset.fill);
    field.value = button.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
})();

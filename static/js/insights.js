// Charts of the insights page: stacked bars and lines by day, bars by step, a curve of shares. A tip under the pointer.
(function () {
  "use strict";
  var font = "12px Inter, system-ui, sans-serif";

  function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function colour(series) { return style("--source-" + series.colour); }
  function height(box) { return box.clientHeight || 260; }

  function draw(box) {
    var source = document.getElementById(box.dataset.insight);
    if (!source || !box.clientWidth) { return; }
    var told = JSON.parse(source.textContent), series = told.series, n = told.categories.length;
    var language = document.documentElement.lang;
    var number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
    var compact = new Intl.NumberFormat(language, { notation: "compact" });
    var percent = new Intl.NumberFormat(language, { style: "percent" });
    var longest = Math.max.apply(null, told.categories.map(function (name) { return name.length; }));
    var isTilted = told.drawn === "bars" && box.clientWidth / n < longest * 7.5;
    var isDays = told.drawn === "stack" || told.drawn === "lines", isCurve = told.drawn === "curve";
    var short = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
    var full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
    function category(place, format) {
      var name = told.categories[place];
      if (name === undefined) { return ""; }
      return isDays ? format.format(new Date(name + "T00:00:00Z")) : isCurve ? percent.format(Number(name)) : name;
    }

    var places = told.categories.map(function (_, place) { return isCurve ? Number(told.categories[place]) : place; });
    // Stacked: each series is drawn as the sum of itself and those under it, the tallest first.
    var sums = places.map(function () { return 0; });
    var columns = series.map(function (one) {
      if (told.drawn !== "stack") { return one.values; }
      return one.values.map(function (value, place) { sums[place] += value || 0; return sums[place]; });
    });
    var order = series.map(function (_, place) { return place; });
    if (told.drawn === "stack") { order.reverse(); }
    var bars = window.uPlot.paths.bars({ size: [told.drawn === "bars" ? 0.6 : 0.82, 96], radius: told.drawn === "bars" ? 0.08 : 0 });

    box.replaceChildren();
    box.style.position = "relative";
    var tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    var axis = { stroke: style("--ink-3"), font: font, labelFont: font, labelSize: 20, grid: { stroke: style("--line"), width: 1 }, ticks: { show: false } };
    var xAxis = Object.assign({}, axis, { label: told.x, grid: { show: false }, size: isTilted ? 74 : 30, rotate: isTilted ? 35 : 0 });
    if (isCurve) {
      xAxis.values = function (_, ticks) { return ticks.map(function (tick) { return percent.format(tick); }); };
    } else if (told.drawn === "bars") {
      xAxis.splits = function () { return places; };
      xAxis.values = function (_, ticks) { return ticks.map(function (tick) { return category(tick); }); };
    } else {
      xAxis.incrs = [1, 2, 7, 14, 30, 60, 90];
      xAxis.space = 70;
      xAxis.values = function (_, ticks) { return ticks.map(function (tick) { return Number.isInteger(tick) ? category(tick, short) : ""; }); };
    }
    var yAxis = Object.assign({}, axis, { label: told.y, size: 54, space: 40, values: function (_, ticks) { return ticks.map(function (tick) { return isCurve ? percent.format(tick) : compact.format(tick); }); } });

    function words(place) {
      var lines = [category(place, full)], total = 0;
      series.forEach(function (one) {
        var value = one.values[place];
        if (value === null || (told.drawn === "stack" && !value)) { return; }
        total += value;
        lines.push((series.length > 1 ? one.name + ": " : "") + (isCurve ? percent.format(value) : number.format(value)));
      });
      if (told.drawn === "stack" && series.length > 1) { lines.splice(1, 0, "Σ " + number.format(total)); }
      return lines;
    }

    var plot = new window.uPlot({
      width: box.clientWidth, height: height(box), padding: [12, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: function () { return isCurve ? [0, 1] : [-0.6, n - 0.4]; } },
        y: { range: function (_, low, high) { return isCurve ? [0, 1] : [0, Math.max(1, high) * 1.08]; } },
      },
      axes: [xAxis, yAxis],
      series: [{}].concat(order.map(function (place) {
        var one = series[place];
        if (isCurve || told.drawn === "lines") {
          return { stroke: colour(one), width: 2, dash: one.colour === "other" || place > 0 && told.drawn === "lines" ? [6, 4] : undefined, spanGaps: true, points: { show: told.drawn === "lines", size: 5, fill: colour(one) } };
        }
        return { fill: colour(one), stroke: style("--surface"), width: told.drawn === "stack" ? 0.5 : 0, paths: bars, points: { show: false } };
      })),
      hooks: {
        setCursor: [function (self) {
          var place = self.cursor.idx;
          tip.hidden = place === null || place === undefined || self.cursor.left < 0;
          if (tip.hidden) { return; }
          tip.replaceChildren();
          words(place).forEach(function (line) { var row = document.createElement("div"); row.textContent = line; tip.append(row); });
          tip.style.left = Math.min(box.clientWidth - 110, Math.max(110, self.valToPos(places[place], "x") + self.over.offsetLeft)) + "px";
          tip.style.top = Math.max(24 + 20 * tip.childElementCount, 60) + "px";
        }],
      },
    }, [places].concat(order.map(function (place) { return columns[place]; })), box);
    box.append(tip);
    return plot;
  }

  window.recsiteRedrawn("[data-insight]", draw, height);
})();

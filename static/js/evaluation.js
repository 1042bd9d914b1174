// The chart of a strategy beside its baselines: bars from zero, a whisker where there is an interval, a tip.
(function () {
  "use strict";

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function shortened(name, room) {
    var most = Math.max(4, Math.floor(room / 7));
    return name.length > most ? name.slice(0, most - 1) + "…" : name;
  }

  function draw(box) {
    var bars = JSON.parse(document.getElementById(box.dataset.beside).textContent);
    var language = document.documentElement.lang;
    var decimals = Number(box.dataset.decimals || 3);
    var number = new Intl.NumberFormat(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    var places = bars.map(function (_, place) { return place; });
    var isNarrow = box.clientWidth < 480;  // then names are tilted
    var top = Math.max.apply(null, bars.map(function (bar) { return Math.max(bar[1], bar[3] || 0); }));
    var shape = window.uPlot.paths.bars({ size: [0.6, 96], radius: 0.08 });
    var axis = { stroke: colour("--ink-3"), font: "12px Inter, system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };

    box.replaceChildren();
    box.style.position = "relative";
    var tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;

    function whiskers(self) {
      var context = self.ctx, ratio = devicePixelRatio, half = 5 * ratio;
      context.save();
      context.strokeStyle = colour("--ink");
      context.lineWidth = 1.5 * ratio;
      bars.forEach(function (bar, place) {
        if (bar[2] === null || bar[3] === null) { return; }
        var x = self.valToPos(place, "x", true), low = self.valToPos(bar[2], "y", true), high = self.valToPos(bar[3], "y", true);
        context.beginPath();
        context.moveTo(x, low); context.lineTo(x, high);
        context.moveTo(x - half, low); context.lineTo(x + half, low);
        context.moveTo(x - half, high); context.lineTo(x + half, high);
        context.stroke();
      });
      context.restore();
    }
    function only(isOurs) { return bars.map(function (bar) { return bar[4] === isOurs ? bar[1] : null; }); }
    var plot = new window.uPlot({
      width: box.clientWidth, height: 260, padding: [12, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: function () { return [-0.6, places.length - 0.4]; } }, y: { range: function () { return [0, (top || 1) * 1.08]; } } },
      axes: [
        Object.assign({}, axis, { grid: { show: false }, size: isNarrow ? 64 : 28, rotate: isNarrow ? 35 : 0, splits: function () { return places; }, values: function (self, ticks) { var room = isNarrow ? 80 : self.width / ticks.length - 16; return ticks.map(function (tick) { return shortened(bars[tick][0], room); }); } }),
        Object.assign({}, axis, { size: 64, space: 44, label: box.dataset.label, labelSize: 18, labelFont: axis.font, values: function (_, ticks) { return ticks.map(function (tick) { return new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(tick); }); } }),
      ],
      series: [{}, { fill: colour("--accent"), width: 0, paths: shape, points: { show: false } }, { fill: colour("--source-other"), width: 0, paths: shape, points: { show: false } }],
      hooks: {
        draw: [whiskers],
        setCursor: [function (self) {
          var place = self.cursor.idx;
          tip.hidden = place === null || place === undefined || self.cursor.left < 0;
          if (tip.hidden) { return; }
          var bar = bars[place];
          tip.textContent = bar[0] + ": " + number.format(bar[1]) + (bar[2] === null ? "" : " (" + number.format(bar[2]) + "–" + number.format(bar[3]) + ")");
          tip.style.left = Math.min(box.clientWidth - 110, Math.max(110, self.valToPos(place, "x") + self.over.offsetLeft)) + "px";
          tip.style.top = Math.max(34, self.valToPos(bar[1], "y") + self.over.offsetTop) + "px";
        }],
      },
    }, [places, only(true), only(false)], box);
    box.append(tip);
    return plot;
  }

  window.recsiteRedrawn("[data-beside]", draw);

  // What was ticked while the list was on its way stays ticked.
  var ticked = [];
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.target.id !== "evaluation-list") { return; }
    ticked = Array.from(document.querySelectorAll("#evaluation-list [name=e]"), function (box) { return [box.id, box.checked]; });
  });
  document.body.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.id !== "evaluation-list") { return; }
    ticked.forEach(function (one) {
      var box = document.getElementById(one[0]);
      if (box) { box.checked = one[1]; }
    });
  });
})();

// Experiments: a slider beside its number field, and the arms' shares day by day.
(function () {
  "use strict";

  // ---- a slider and a field that say the same; the field is what is sent
  document.addEventListener("input", function (event) {
    var pair = event.target.dataset && event.target.dataset.pairsWith;
    if (pair) { document.getElementById(pair).value = event.target.value; return; }
    var slider = event.target.id && document.querySelector('[data-pairs-with="' + CSS.escape(event.target.id) + '"]');
    if (slider && event.target.value !== "") { slider.value = event.target.value.replace(",", "."); }
  });

  // ---- a poll does not take away a dialog that is open: the next one comes after it
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    var part = event.detail.target;
    if (event.detail.elt === part && part.matches("[data-polls]") && part.querySelector("dialog[open]")) { event.detail.shouldSwap = false; }
  });

  // ---- lines by day
  var COLOURS = ["--source-other", "--source-interest", "--source-label_affinity", "--source-neighbours"];
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function draw(box) {
    var data = JSON.parse(document.getElementById(box.dataset.armsByDay).textContent);
    var names = JSON.parse(document.getElementById(box.dataset.armsByDay + "-names").textContent);
    var language = document.documentElement.lang;
    var day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
    var full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
    var number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
    var places = data[0].map(function (_, place) { return place; });
    var axis = { stroke: colour("--ink-3"), font: "12px Inter, system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    function at(place) { return data[0][place] === undefined ? null : new Date(data[0][place] * 1000); }

    box.replaceChildren();
    box.style.position = "relative";
    var tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    var plot = new window.uPlot({
      width: box.clientWidth, height: 260, padding: [12, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: false, range: function () { return [-0.3, places.length - 0.7]; } }, y: { range: function (_, low, high) { return [0, (high || 1) * 1.08]; } } },
      axes: [
        Object.assign({}, axis, { grid: { show: false }, size: 28, space: 80, incrs: [1, 2, 7, 14, 30], values: function (_, ticks) { return ticks.map(function (tick) { return at(tick) ? day.format(at(tick)) : ""; }); } }),
        Object.assign({}, axis, { size: 56, space: 44, values: function (_, ticks) { return ticks.map(function (tick) { return number.format(tick) + "%"; }); } }),
      ],
      series: [{}].concat(names.map(function (name, place) {
        return { label: name, stroke: colour(COLOURS[place]), width: 2, dash: place === 0 ? [6, 4] : undefined, spanGaps: true, points: { show: data[0].length < 32, size: 6 } };
      })),
      hooks: {
        setCursor: [function (self) {
          var place = self.cursor.idx;
          tip.hidden = place === null || place === undefined || self.cursor.left < 0;
          if (tip.hidden) { return; }
          tip.textContent = full.format(at(place)) + ": " + names.map(function (name, arm) {
            var value = data[arm + 1][place];
            return name + " " + (value === null ? "–" : number.format(value) + "%");
          }).join(", ");
          var half = tip.offsetWidth / 2 + 4;
          tip.style.left = Math.min(box.clientWidth - half, Math.max(half, self.valToPos(place, "x") + self.over.offsetLeft)) + "px";
          tip.style.top = "48px";
        }],
      },
    }, [places].concat(data.slice(1)), box);
    box.append(tip);
    return plot;
  }

  window.recsiteRedrawn("[data-arms-by-day]", draw);
})();

// Charts that are drawn anew where the theme changes or a part of the page is exchanged, and follow the width of the window.
(function () {
  "use strict";

  // draw: from a box to its plot, or nothing where it has no data. height: of a box; 260 where it is left out.
  window.recsiteRedrawn = function (selector, draw, height) {
    var drawn = [], waiting = 0;

    function boxes() { return document.querySelectorAll(selector); }
    function drawAll() {
      drawn.forEach(function (one) { if (one.plot) { one.plot.destroy(); } });
      drawn = window.uPlot ? Array.from(boxes(), function (box) { return { box: box, plot: draw(box) }; }) : [];
    }
    drawAll();
    document.addEventListener("theme", drawAll);
    document.body.addEventListener("htmx:afterSwap", function () {
      if (boxes().length !== drawn.length || drawn.some(function (one) { return !document.contains(one.box); })) { drawAll(); }
    });
    document.body.addEventListener("htmx:historyRestore", drawAll);
    window.addEventListener("resize", function () {
      clearTimeout(waiting);
      waiting = setTimeout(function () {
        drawn.forEach(function (one) {
          if (one.plot && one.box.clientWidth) { one.plot.setSize({ width: one.box.clientWidth, height: height ? height(one.box) : 260 }); }
        });
      }, 120);
    });
  };
})();

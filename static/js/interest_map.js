// The interest map: points on a canvas, the user's interests as marks above it, the list beside it for the keyboard.
(function () {
  "use strict";
  var NEAR = 12;

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function start(box) {
    if (box.dataset.started) { return; }
    box.dataset.started = "true";
    var canvas = box.querySelector("canvas"), names = box.querySelector(".map-names"), marks = box.querySelector(".map-marks"), tip = box.querySelector(".map-tip");
    var card = box.closest("#interest-map"), status = card.querySelector("#map-status"), data = null;

    function size() { return { width: box.clientWidth, height: box.clientHeight }; }
    function at(point) { var all = size(); return { x: point.x * all.width, y: point.y * all.height }; }

    function dots(points, radius, fill, alpha) {
      var pen = canvas.getContext("2d"), all = size();
      pen.fillStyle = fill;
      pen.globalAlpha = alpha;
      points.forEach(function (point) {
        pen.beginPath();
        pen.arc(point.x * all.width, point.y * all.height, radius, 0, 2 * Math.PI);
        pen.fill();
      });
      pen.globalAlpha = 1;
    }
    function draw() {
      if (!data) { return; }
      var all = size(), ratio = window.devicePixelRatio || 1;
      if (!all.width) { return; }
      canvas.width = all.width * ratio;
      canvas.height = all.height * ratio;
      canvas.getContext("2d").scale(ratio, ratio);
      dots(data.background, all.width < 420 ? 1.2 : 1.7, colour("--ink-3"), 0.38);
      dots(data.items, all.width < 420 ? 2.2 : 3, colour("--accent"), 0.75);
      nameRegions();
    }
    function nameRegions() {  // the largest come first; each moves a little out of the way, or is left out
      var outer = box.getBoundingClientRect(), taken = Array.from(marks.children, function (mark) { return mark.getBoundingClientRect(); });
      Array.from(names.children).forEach(function (name) {
        name.hidden = false;
        name.style.setProperty("--shift", "0px");
        var fits = [0, -20, 20, -36, 36].some(function (rise) {
          name.style.setProperty("--rise", rise + "px");
          var own = name.getBoundingClientRect();
          if (rise === 0) {
            name.style.setProperty("--shift", Math.max(0, outer.left + 4 - own.left) - Math.max(0, own.right - outer.right + 4) + "px");
            own = name.getBoundingClientRect();
          }
          var isFree = own.top > outer.top && own.bottom < outer.bottom && !taken.some(function (other) {
            return own.left < other.right + 4 && own.right > other.left - 4 && own.top < other.bottom + 2 && own.bottom > other.top - 2;
          });
          if (isFree) { taken.push(own); }
          return isFree;
        });
        name.hidden = !fits;
      });
    }
    function place(node, point) {
      node.style.setProperty("--x", (100 * point.x).toFixed(2) + "%");
      node.style.setProperty("--y", (100 * point.y).toFixed(2) + "%");
    }
    function tell(point, words) {
      tip.textContent = words;
      tip.hidden = false;
      var where = at(point), all = size(), half = tip.offsetWidth / 2 + 6;
      tip.style.left = Math.min(all.width - half, Math.max(half, where.x)) + "px";
      tip.style.top = (where.y < 70 ? where.y + tip.offsetHeight + 44 : where.y) + "px";
    }
    function show(position) {  // null: none
      card.querySelectorAll("[data-mark]").forEach(function (one) { one.classList.toggle("is-on", one.dataset.mark === position); });
      var found = position === null ? null : data && data.interests.find(function (one) { return String(one.position) === position; });
      if (found) { tell(found, found.title + " · " + found.words); } else { tip.hidden = true; }
      return found;
    }

    function fill(found) {
      data = found;
      data.background = data.background.map(function (row) { return { x: row[0], y: row[1], title: row[2] }; });
      data.regions.forEach(function (region) {
        var name = document.createElement("span");
        name.textContent = region.name;
        place(name, region);
        names.append(name);
      });
      data.interests.forEach(function (interest, number) {
        var mark = document.createElement("button");
        mark.type = "button";
        mark.className = "map-mark";
        mark.tabIndex = -1;  // reached from the list beside the map
        mark.dataset.mark = String(interest.position);
        mark.textContent = String(number + 1);
        mark.setAttribute("aria-label", interest.title + ", " + interest.words);
        mark.style.setProperty("--size", (24 + 26 * Math.sqrt(interest.weight)).toFixed(0) + "px");
        place(mark, interest);
        marks.append(mark);
      });
      draw();
    }

    box.addEventListener("pointermove", function (event) {
      if (!data || event.target.closest(".map-mark")) { return; }
      var outer = box.getBoundingClientRect(), x = event.clientX - outer.left, y = event.clientY - outer.top, best = null, least = NEAR;
      [[data.items, 4], [data.background, 0]].forEach(function (each) {  // of two as near, theirs
        each[0].forEach(function (point) {
          var where = at(point), far = Math.hypot(where.x - x, where.y - y) - each[1];
          if (far < least) { least = far; best = point; }
        });
      });
      box.classList.toggle("is-link", Boolean(best && best.address));
      if (best) { tell(best, best.title); } else { tip.hidden = true; }
      box.dataset.address = best && best.address ? best.address : "";
    });
    box.addEventListener("pointerleave", function () { if (!card.querySelector("[data-mark]:focus")) { show(null); } box.dataset.address = ""; });
    box.addEventListener("click", function (event) {
      if (!event.target.closest(".map-mark") && box.dataset.address) { window.location.assign(box.dataset.address); }
    });
    card.addEventListener("pointerover", function (event) { var one = event.target.closest("[data-mark]"); if (one) { show(one.dataset.mark); } });
    card.addEventListener("focusin", function (event) { var one = event.target.closest("[data-mark]"); if (one) { show(one.dataset.mark); } });
    card.addEventListener("focusout", function (event) { if (event.target.closest("[data-mark]")) { show(null); } });
    card.addEventListener("click", function (event) {
      var one = event.target.closest("[data-mark]");
      if (!one || !data) { return; }
      var found = show(one.dataset.mark);
      if (found && !one.classList.contains("map-mark")) {
        marks.querySelector('[data-mark="' + one.dataset.mark + '"]').focus();
        status.textContent = found.title + ", " + found.words;
      }
    });
    card.addEventListener("keydown", function (event) {  // Esc leads from a mark back to the list
      var one = event.key === "Escape" && event.target.closest(".map-mark");
      if (one) { card.querySelector('.map-list [data-mark="' + one.dataset.mark + '"]').focus(); event.stopPropagation(); }
    });
    document.addEventListener("theme", draw);
    new ResizeObserver(draw).observe(box);
    fetch(box.dataset.map, { headers: { "X-Requested-With": "fetch" } })
      .then(function (answer) { if (!answer.ok) { throw new Error(String(answer.status)); } return answer.json(); })
      .then(fill)
      .catch(function () { tip.textContent = box.dataset.wordFailed; tip.hidden = false; });
  }

  function startAll() { document.querySelectorAll("[data-map]").forEach(start); }
  startAll();
  document.body.addEventListener("htmx:afterSwap", startAll);
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-map-table]");
    if (!button) { return; }
    var card = button.closest("#interest-map"), table = card.querySelector("#map-table");
    table.hidden = !table.hidden;
    card.querySelector(".map-both").hidden = !table.hidden;
    button.setAttribute("aria-pressed", String(!table.hidden));
  });
})();

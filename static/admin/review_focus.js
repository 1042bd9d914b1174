// Focus mode: a decision is one request, whose answer is the next suggestion. Without this file the forms work as they are.
(function () {
  "use strict";
  var review = window.recsiteReview;
  var trail = [], at = -1, isBusy = false;

  function section() { return document.getElementById("rv-focus"); }
  function say(words, kind) {
    var line = document.getElementById("rv-said");
    line.classList.toggle("is-bad", kind === "danger");
    line.textContent = words;
  }
  function shown() { return section().dataset.row; }
  function remember() {
    var row = shown();
    if (!row) { return; }
    if (trail[at] === row) { return; }
    trail = trail.slice(0, at + 1).concat(row);
    at = trail.length - 1;
  }
  function address(row) {
    var here = section().dataset, query = new URLSearchParams(here.query);
    if (row) { query.set("row", row); }
    return here.address + (query.size ? "?" + query : "");
  }

  // One request at a time, and keys pressed meanwhile are let go: nobody decides about what they have not seen.
  function load(url, options) {
    if (isBusy) { return Promise.resolve(false); }
    isBusy = true;
    section().setAttribute("aria-busy", "true");
    return fetch(url, Object.assign({ headers: { "HX-Request": "true" }, credentials: "same-origin" }, options)).then(function (response) {
      if (response.redirected || response.status === 403) { window.location.reload(); return false; }  // signed out
      if (!response.ok) { throw new Error(String(response.status)); }
      return response.text().then(function (text) {
        var part = new DOMParser().parseFromString(text, "text/html").getElementById("rv-focus");
        section().replaceWith(part);
        say(part.dataset.said, part.dataset.kind);
        part.focus({ preventScroll: true });
        window.scrollTo(0, 0);
        return true;
      });
    }).catch(function () {
      say(section().dataset.wordFailed, "danger");
      return false;
    }).finally(function () {
      isBusy = false;
      section().removeAttribute("aria-busy");
    });
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.matches(".rv-form")) { return; }
    event.preventDefault();
    var values = new FormData(form);
    if (event.submitter && event.submitter.name) { values.set(event.submitter.name, event.submitter.value); }
    load(address(""), { method: "POST", body: new URLSearchParams(values) }).then(function (isDone) { if (isDone) { remember(); } });
  });
  function goTo(place) {
    load(address(trail[place]), {}).then(function (isDone) { if (isDone) { at = place; } });
    return true;
  }
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-previous]") && at > 0) { event.preventDefault(); goTo(at - 1); }
  });

  // ---- another label, as it is typed
  var asked = 0, timer = 0;
  function field() { return document.getElementById("rv-other"); }
  function list() { return document.getElementById("rv-options"); }
  function close() { list().hidden = true; list().replaceChildren(); field().setAttribute("aria-expanded", "false"); field().removeAttribute("aria-activedescendant"); }
  function options() { return Array.from(list().querySelectorAll("[role=option]")); }
  function choose(step) {
    var all = options();
    if (!all.length) { return; }
    var here = all.findIndex(function (one) { return one.getAttribute("aria-selected") === "true"; });
    var next = Math.min(all.length - 1, Math.max(0, here + step));
    all.forEach(function (one, place) { one.setAttribute("aria-selected", String(place === next)); });
    field().setAttribute("aria-activedescendant", all[next].id);
    all[next].scrollIntoView({ block: "nearest" });
  }
  function ask() {
    var mine = ++asked, typed = field().value.trim();
    if (!typed) { close(); return; }
    fetch(field().dataset.options + "?label=" + encodeURIComponent(typed), { headers: { "HX-Request": "true" }, credentials: "same-origin" })
      .then(function (response) { return response.ok ? response.text() : ""; })
      .then(function (text) {
        if (mine !== asked || !field() || field().value.trim() !== typed) { return; }
        var found = Array.from(new DOMParser().parseFromString(text, "text/html").querySelectorAll("[role=option]"));
        list().replaceChildren.apply(list(), found.map(function (one, place) {
          var line = document.createElement("li");
          line.id = "rv-option-" + place;
          line.setAttribute("role", "option");
          line.setAttribute("aria-selected", "false");
          line.dataset.value = one.dataset.value;
          line.dir = "auto";
          line.textContent = one.dataset.path;
          return line;
        }));
        if (!found.length) {
          var none = document.createElement("li");
          none.className = "is-none";
          none.textContent = field().dataset.wordNone;
          list().append(none);
        }
        list().hidden = false;
        list().dataset.typed = typed;
        field().setAttribute("aria-expanded", "true");
        choose(1);
      });
  }
  function take(line) {
    field().value = line.dataset.value;
    close();
    field().form.requestSubmit();
  }
  document.addEventListener("input", function (event) {
    if (event.target !== field()) { return; }
    clearTimeout(timer);
    timer = setTimeout(ask, 80);
  });
  document.addEventListener("mousedown", function (event) {
    var line = event.target.closest && event.target.closest("#rv-options [role=option]");
    if (line) { event.preventDefault(); take(line); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.target !== field()) { return; }
    if (event.key === "ArrowDown") { choose(1); event.preventDefault(); }
    else if (event.key === "ArrowUp") { choose(-1); event.preventDefault(); }
    else if (event.key === "Enter") {
      // Only what the list found for these very words; while it is still asking, Enter waits for it.
      var isCurrent = !list().hidden && list().dataset.typed === field().value.trim();
      var chosen = isCurrent && options().find(function (one) { return one.getAttribute("aria-selected") === "true"; });
      event.preventDefault();
      if (chosen) { take(chosen); } else if (field().value.trim() && !isCurrent) { clearTimeout(timer); ask(); }
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (list().hidden) { section().focus(); } else { close(); }
    }
  });

  document.addEventListener("keydown", function (event) {
    var key = review.keyOf(event), isDone = false;
    if (!key) { return; }
    if (key === "?") { isDone = review.help(); }
    else if (key === "c" || key === "/") { if (field()) { field().focus(); field().select(); isDone = true; } }
    else if (key === "k") { isDone = at > 0 ? goTo(at - 1) : true; }
    else if (key === "j" && at < trail.length - 1) { isDone = goTo(at + 1); }
    else if (key !== "Escape") { isDone = review.press(key); }
    if (isDone) { event.preventDefault(); }
  });
  remember();
  section().focus({ preventScroll: true });
})();

// The keyboard: ? help, / search, g + letter to go, j and k through rows, Enter and x and z on labels, Esc closes.
(function () {
  "use strict";
  var pendingGo = 0;

  // Off by the account's own setting, which the page says, or in this browser.
  function forbidden() { return document.body.dataset.shortcuts === "off"; }
  function singleKeys() {
    if (forbidden()) { return false; }
    try { return localStorage.getItem("single-keys") !== "off"; } catch (error) { return true; }
  }
  var toggle = document.getElementById("single-keys");
  if (toggle) {
    toggle.checked = singleKeys();
    toggle.disabled = forbidden();
    toggle.addEventListener("change", function () {
      try { localStorage.setItem("single-keys", toggle.checked ? "on" : "off"); } catch (error) { /* private mode */ }
    });
  }

  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !/^(checkbox|radio)$/.test(target.type || "");
  }
  function visibleRows() {
    return Array.from(document.querySelectorAll("[data-row]")).filter(function (row) { return row.getClientRects().length > 0; });
  }
  function move(step) {
    var rows = visibleRows();
    if (!rows.length) { return false; }
    var here = rows.findIndex(function (row) { return row === document.activeElement || row.contains(document.activeElement); });
    var next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + step));
    rows[next].focus();
    rows[next].scrollIntoView({ block: "nearest" });
    return true;
  }
  function press(selector) {
    var row = document.activeElement.closest("[data-row]");
    var button = row && row.querySelector(selector);
    if (button) { button.click(); }
    return Boolean(button);
  }

  // Arrow keys inside the search results.
  document.addEventListener("keydown", function (event) {
    var inSearch = event.target.closest && event.target.closest(".search");
    if (!inSearch || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) { return; }
    var stops = [document.getElementById("search")].concat(Array.from(inSearch.querySelectorAll(".search-panel a")));
    var next = stops[stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { next.focus(); event.preventDefault(); }
  });

  document.addEventListener("keydown", function (event) {
    if (event.defaultPrevented) { return; }
    if (event.key === "Escape") {
      var results = document.getElementById("search-results");
      var hadResults = results && results.childElementCount;
      if (hadResults) { results.replaceChildren(); document.getElementById("search").focus(); return; }
      var menu = document.querySelector("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
      if (isTyping(event.target)) { event.target.blur(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]") || !singleKeys()) { return; }
    var done = false;
    if (Date.now() - pendingGo < 1200) {
      pendingGo = 0;
      var place = document.querySelector('[data-go="' + CSS.escape(event.key) + '"]');
      if (place) { place.click(); done = true; }
    } else if (event.key === "g") { pendingGo = Date.now(); done = true; }
    else if (event.key === "/") { document.getElementById("search").focus(); document.getElementById("search").select(); done = true; }
    else if (event.key === "?") { document.getElementById("keys").showModal(); done = true; }
    else if (event.key === "j") { done = move(1); }
    else if (event.key === "k") { done = move(-1); }
    else if (event.key === "Enter" && document.activeElement.matches("[data-row]:not(a)")) { done = press("[data-accept]"); }
    else if (event.key === "x") { done = press("[data-reject]"); }
    else if (event.key === "c") { done = press("[data-correct]"); }
    else if (event.key === "z") {
      var undo = document.querySelector("#toasts [data-undo]");
      if (undo) { undo.click(); done = true; } else { done = press("[data-take-back]"); }
    }
    if (done) { event.preventDefault(); }
  });
})();

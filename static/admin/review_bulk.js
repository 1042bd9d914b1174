// Many at once: rows by j and k, selected by Space, decided by the bar's buttons. Without this file the form works as it is.
(function () {
  "use strict";
  var review = window.recsiteReview;
  var form = document.getElementById("rv-bulk");

  function rows() { return Array.from(document.querySelectorAll(".rv-row[data-row]")); }
  function boxes() { return form ? Array.from(form.querySelectorAll('input[name="row"]')) : []; }
  function here() { return document.activeElement.closest(".rv-row[data-row]"); }
  function tell() {
    var count = document.querySelector(".rv-count");
    if (!count) { return; }
    var n = boxes().filter(function (box) { return box.checked; }).length;
    count.textContent = n ? n + " " + count.dataset.some : count.dataset.none;
    ask();
  }
  // What it means for lists, once the selection rests, and only while somebody looks.
  var impact = document.querySelector(".rv-impact"), waiting = 0;
  function ask() {
    window.clearTimeout(waiting);
    if (!impact || !impact.open) { return; }
    waiting = window.setTimeout(function () {
      impact.querySelectorAll("[data-impact]").forEach(function (part) { part.dispatchEvent(new CustomEvent("wanted")); });
    }, 300);
  }
  if (impact && window.htmx) {
    impact.hidden = false;
    impact.addEventListener("toggle", ask);
  }
  function move(step) {
    var all = rows();
    if (!all.length) { return false; }
    var place = all.indexOf(here());
    var next = place < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, place + step));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
    return true;
  }
  function select(row) {
    var box = row && row.querySelector('input[name="row"]');
    if (box) { box.checked = !box.checked; tell(); }
    return Boolean(box);
  }
  // A key means what is selected; where nothing is, the row with the focus.
  function decide(key) {
    var row = here();
    if (!boxes().some(function (box) { return box.checked; }) && row) { select(row); }
    if (!boxes().some(function (box) { return box.checked; })) { return false; }
    return review.press(key);
  }

  document.querySelectorAll("[data-all]").forEach(function (all) {
    all.hidden = false;
    all.parentElement.querySelector("[data-all-words]").hidden = false;
    all.addEventListener("change", function () {
      var group = document.getElementById(all.dataset.all).closest(".rv-group");
      group.querySelectorAll('input[name="row"]').forEach(function (box) { box.checked = all.checked; });
      tell();
    });
  });
  if (form) { form.addEventListener("change", tell); }
  tell();

  document.addEventListener("keydown", function (event) {
    var key = review.keyOf(event), isDone = false;
    if (!key || event.target.matches("input[type=checkbox]") && key === " ") { return; }
    if (key === "?") { isDone = review.help(); }
    else if (key === "j") { isDone = move(1); }
    else if (key === "k") { isDone = move(-1); }
    else if (key === " ") { isDone = select(here()); }
    else if (key === "Enter" || key === "a" || key === "x") { isDone = decide(key); }
    else if (key === "z") { isDone = review.press(key); }
    else if (key === "Escape" && here()) { here().blur(); isDone = true; }
    if (isDone) { event.preventDefault(); }
  });
})();

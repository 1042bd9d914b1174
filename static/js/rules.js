// Rules: usual strengths by one press, wrong fields that were mended, and rules dragged to another place.
(function () {
  "use strict";
  document.addEventListener("click", function (event) {
    var preset = event.target.closest && event.target.closest("[data-sets]");
    if (!preset) { return; }
    var field = document.getElementById(preset.dataset.sets);
    field.value = preset.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  document.addEventListener("input", function (event) {
    var field = event.target.closest && event.target.closest(".strategy-field.is-wrong");
    if (!field) { return; }
    field.classList.remove("is-wrong");
    event.target.removeAttribute("aria-invalid");
    field.querySelectorAll(".field-error").forEach(function (error) { error.remove(); });
  });

  // ---- dragging; the number beside the handle does the same by keyboard
  var dragged = null;
  function rowOf(target) { return target.closest && target.closest(".rules-table tr[data-place]"); }
  function unmark() { document.querySelectorAll(".is-above, .is-below").forEach(function (row) { row.classList.remove("is-above", "is-below"); }); }
  document.addEventListener("dragstart", function (event) {
    if (!event.target.closest || !event.target.closest(".rule-handle")) { return; }
    dragged = rowOf(event.target);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.place);
    event.dataTransfer.setDragImage(dragged, 20, 20);
    dragged.classList.add("is-dragged");
  });
  document.addEventListener("dragover", function (event) {
    var row = dragged && rowOf(event.target);
    if (!row) { return; }
    event.preventDefault();
    unmark();
    if (row !== dragged) { row.classList.add(Number(row.dataset.place) < Number(dragged.dataset.place) ? "is-above" : "is-below"); }
  });
  document.addEventListener("drop", function (event) {
    var row = dragged && rowOf(event.target);
    if (!row || row === dragged) { return; }
    event.preventDefault();
    window.htmx.ajax("POST", dragged.dataset.move, { target: "#rules", swap: "outerHTML", values: { place: row.dataset.place, was: dragged.dataset.place } });
  });
  document.addEventListener("dragend", function () {
    if (dragged) { dragged.classList.remove("is-dragged"); }
    dragged = null;
    unmark();
  });
})();

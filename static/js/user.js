// A user's page: which of several lists is shown on a phone, and which fields are wrong.
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-shows-column]");
    if (!button) { return; }
    var card = button.closest("#list");
    card.querySelectorAll("[data-shows-column]").forEach(function (one) { one.setAttribute("aria-pressed", String(one === button)); });
    card.querySelectorAll("[data-column]").forEach(function (one) { one.classList.toggle("is-shown", one.dataset.column === button.dataset.showsColumn); });
  });

  function markWrong() {
    document.querySelectorAll(".control [aria-describedby]").forEach(function (field) {
      var wrong = field.getAttribute("aria-describedby").split(" ").some(function (id) {
        var error = document.getElementById(id);
        return error && error.classList.contains("field-error") && error.textContent.trim() !== "";
      });
      if (wrong) { field.setAttribute("aria-invalid", "true"); } else { field.removeAttribute("aria-invalid"); }
    });
  }
  markWrong();
  document.body.addEventListener("htmx:afterSettle", markWrong);

  // A folded part with a mistake in it is opened, so that the message is seen.
  document.body.addEventListener("htmx:afterSettle", function () {
    document.querySelectorAll(".controls details.folded:not([open])").forEach(function (part) {
      if (Array.from(part.querySelectorAll(".field-error")).some(function (one) { return one.textContent.trim(); })) { part.open = true; }
    });
  });
})();

// The editor of a draft: what was wrong with a field is taken away once something else is typed there.
(function () {
  "use strict";
  document.addEventListener("input", function (event) {
    var field = event.target.closest && event.target.closest(".strategy-field.is-wrong");
    if (!field) { return; }
    field.classList.remove("is-wrong");
    event.target.removeAttribute("aria-invalid");
    field.querySelectorAll(".field-error").forEach(function (error) { error.remove(); });
  });
})();

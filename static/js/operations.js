// Settings, keys, staff, changes: copy a secret, open a dialog that was refused.
(function () {
  "use strict";
  document.querySelectorAll("dialog[data-open]").forEach(function (dialog) { dialog.showModal(); });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copies]");
    if (!button) { return; }
    var source = document.getElementById(button.dataset.copies);
    function selected() {  // without a clipboard: it is selected, so that Ctrl+C takes it
      window.getSelection().selectAllChildren(source);
    }
    if (!navigator.clipboard) { selected(); return; }
    navigator.clipboard.writeText(source.textContent).then(function () {
      button.querySelector("span").textContent = button.dataset.copied;
    }, selected);
  });
})();

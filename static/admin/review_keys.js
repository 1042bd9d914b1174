// What the review pages share: the single-key setting, the list of keys, and pressing the button that shows a key.
(function () {
  "use strict";
  var pendingGo = 0;
  var STORED = "single-keys";  // the console's own setting: off here is off there

  // Off by the account's own setting, which the page says, or in this browser.
  function forbidden() { return document.body.dataset.shortcuts === "off"; }
  function areOn() {
    if (forbidden()) { return false; }
    try { return localStorage.getItem(STORED) !== "off"; } catch (error) { return true; }
  }
  function mark() { document.body.classList.toggle("rv-no-keys", !areOn()); }
  var toggle = document.getElementById("single-keys");
  if (toggle) {
    toggle.checked = areOn();
    toggle.disabled = forbidden();
    toggle.addEventListener("change", function () {
      try { localStorage.setItem(STORED, toggle.checked ? "on" : "off"); } catch (error) { /* private mode */ }
      mark();
    });
  }
  mark();
  document.querySelectorAll("[data-opens]").forEach(function (button) { button.hidden = false; });
  document.addEventListener("click", function (event) {
    var opener = event.target.closest("[data-opens]");
    if (opener) { document.getElementById(opener.dataset.opens).showModal(); }
    if (event.target instanceof HTMLDialogElement) { event.target.close(); }
  });
  document.addEventListener("error", function (event) {  // a picture that does not load gives way to the generated one
    if (event.target instanceof HTMLImageElement && event.target.closest(".rv-picture")) { event.target.remove(); }
  }, true);

  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !/^(checkbox|radio)$/.test(target.type || "");
  }
  // Enter and Space belong to what has the focus, where that is something to press.
  function isPressable(target) { return Boolean(target.closest("a, button, summary, select, [role=option]")); }

  window.recsiteReview = {
    areOn: areOn,
    // The key to act on, or "" where it belongs to somebody else: a field, an open dialog, a held key, the browser.
    keyOf: function (event) {
      if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) { return ""; }
      if (isTyping(event.target) || document.querySelector("dialog[open]") || !areOn()) { return ""; }
      if (Date.now() - pendingGo < 1200) {  // g, then a letter, as everywhere in the console: it decides nothing
        pendingGo = 0;
        var place = document.querySelector('[data-go="' + CSS.escape(event.key) + '"]');
        if (place) { location.assign(place.href); }
        return "";
      }
      if (event.key === "g") { pendingGo = Date.now(); return ""; }
      if ((event.key === "Enter" || event.key === " ") && isPressable(event.target)) { return ""; }
      return event.key;
    },
    press: function (key) {
      var button = document.querySelector('[data-key~="' + CSS.escape(key) + '"]');
      if (button) { button.click(); }
      return Boolean(button);
    },
    help: function () {
      var keys = document.getElementById("keys");
      if (keys) { keys.showModal(); }
      return Boolean(keys);
    },
  };
})();

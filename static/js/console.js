// Behaviour that every page shares: theme menu, menus, toasts with undo, broken pictures, errors of htmx.
(function () {
  "use strict";
  var words = document.body.dataset;

  // ---- theme
  function markTheme() {
    document.querySelectorAll("[data-theme-choice]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === window.recsiteTheme.chosen()));
    });
  }
  markTheme();
  document.addEventListener("theme", markTheme);

  // ---- what the member of staff prefers: kept for every browser where they chose so; times are shown in their zone
  function keep(values) {
    if (words.preferencesAddress) { window.htmx.ajax("POST", words.preferencesAddress, { source: document.body, swap: "none", values: values }); }
  }
  document.addEventListener("single-keys", function (event) {
    if (document.documentElement.dataset.ownKeys) { keep({ single_keys: event.detail }); }
  });
  try {
    document.cookie = "zone=" + Intl.DateTimeFormat().resolvedOptions().timeZone + "; path=/; max-age=31536000; samesite=lax";
  } catch (error) { /* the site's zone then */ }

  // ---- clicks: theme, dialogs, menus
  document.addEventListener("click", function (event) {
    var theme = event.target.closest("[data-theme-choice]");
    if (theme) {
      window.recsiteTheme.choose(theme.dataset.themeChoice);
      if (document.documentElement.dataset.ownTheme) { keep({ theme: theme.dataset.themeChoice }); }
    }
    var opener = event.target.closest("[data-opens]");
    if (opener) { document.getElementById(opener.dataset.opens).showModal(); }
    var closer = event.target.closest("[data-closes]");
    if (closer) { closer.closest("dialog").close(); }
    if (event.target instanceof HTMLDialogElement) { event.target.close(); }
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) { menu.open = false; }
    });
    var results = document.getElementById("search-results");
    if (results && !event.target.closest(".search")) { results.replaceChildren(); }
  });

  // ---- groups of the sidebar stay as they were left
  document.querySelectorAll("details[data-nav]").forEach(function (group) {
    var key = "nav-" + group.dataset.nav;
    try { if (localStorage.getItem(key) === "open") { group.open = true; } } catch (error) { /* private mode */ }
    group.addEventListener("toggle", function () {
      try { localStorage.setItem(key, group.open ? "open" : ""); } catch (error) { /* private mode */ }
    });
  });

  // ---- toasts
  function toast(detail) {
    var line = document.createElement("div");
    line.className = "toast-line" + (detail.kind === "danger" ? " is-danger" : "");
    var text = document.createElement("span");
    text.textContent = detail.message;
    line.append(text);
    if (detail.undo) {
      var undo = document.createElement("button");
      undo.type = "button";
      undo.dataset.undo = "";
      undo.textContent = words.wordUndo;
      undo.addEventListener("click", function () {
        line.remove();
        window.htmx.ajax("POST", detail.undo.url, { target: detail.undo.target, swap: "outerHTML", values: detail.undo.values }).then(function () {
          var back = document.querySelector(detail.undo.target + " :is(a, button)");
          if (back && document.activeElement === document.body) { back.focus({ preventScroll: true }); }
        });
      });
      line.append(undo);
    }
    var close = document.createElement("button");
    close.type = "button";
    close.setAttribute("aria-label", words.wordClose);
    close.textContent = "✕";
    close.addEventListener("click", function () { line.remove(); });
    line.append(close);
    var box = document.getElementById("toasts");
    box.append(line);
    if (box.showPopover) {  // above an open dialog
      if (box.matches(":popover-open")) { box.hidePopover(); }
      box.showPopover();
    }
    while (box.children.length > 3) { box.firstElementChild.remove(); }
    setTimeout(function () { if (!line.matches(":hover, :focus-within")) { line.remove(); } }, detail.undo ? 9000 : 6000);
  }
  document.body.addEventListener("toast", function (event) {
    toast({ message: event.detail.message, kind: event.detail.kind, undo: event.detail.undo });
  });

  // ---- htmx
  document.body.addEventListener("htmx:responseError", function (event) {
    if ((event.detail.xhr.getResponseHeader("HX-Trigger") || "").includes('"toast"')) { return; }  // it says why itself
    toast({ message: words.wordError, kind: "danger" }); });
  document.body.addEventListener("htmx:sendError", function (event) {
    if (!(event.detail.requestConfig.triggeringEvent || {}).type) { return; }  // a poll: the next one may succeed
    toast({ message: words.wordOffline, kind: "danger" });
  });
  document.body.addEventListener("htmx:configRequest", function (event) {  // addresses without empty filters
    if (event.detail.verb !== "get") { return; }
    var parameters = event.detail.parameters;
    Object.keys(parameters).forEach(function (name) { if (parameters[name] === "") { delete parameters[name]; } });
  });
  var lost = null;  // what had the focus in a part that is swapped: its row, else the first control of the new part
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    var active = document.activeElement, target = event.detail.target;
    if (!active || !target || !target.contains(active) || active === document.body) { return; }
    var row = active.closest("[data-row][id]");
    lost = { row: row ? row.id : "" };
  });
  document.body.addEventListener("htmx:afterSettle", function (event) {
    if (!lost) { return; }
    var back = (lost.row && document.getElementById(lost.row)) || event.target.querySelector("a, button");
    if (back && document.activeElement === document.body) { back.focus({ preventScroll: true }); }
    lost = null;
  });
  var open = new Set();
  document.body.addEventListener("htmx:beforeSwap", function (event) {  // what was unfolded stays unfolded
    open = new Set(Array.from(document.querySelectorAll("details[data-keep][open]"), function (one) { return one.dataset.keep; }));
    if (event.detail.target) { event.detail.target.removeAttribute("aria-busy"); }
  });
  document.body.addEventListener("htmx:afterSwap", function () {
    document.querySelectorAll("details[data-keep]").forEach(function (one) { if (open.has(one.dataset.keep)) { one.open = true; } });
  });
  document.body.addEventListener("htmx:afterRequest", function (event) {
    var form = event.target.closest && event.target.closest("form[data-resets]");
    if (form && event.detail.successful && event.detail.xhr.getResponseHeader("HX-Trigger") && event.detail.xhr.getResponseHeader("HX-Trigger").includes("event-recorded")) {
      form.querySelector("input[name=item]").value = "";
      var dialog = form.closest("dialog");
      if (dialog) { dialog.close(); }
    }
  });

  // ---- a picture that does not load gives way to the generated one
  document.addEventListener("error", function (event) {
    if (event.target instanceof HTMLImageElement && event.target.closest(".picture")) { event.target.remove(); }
  }, true);
  document.querySelectorAll(".picture img").forEach(function (image) {
    if (image.complete && image.naturalWidth === 0) { image.remove(); }
  });
})();

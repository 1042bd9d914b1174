// Applies the stored theme before anything is painted. Loaded without defer on purpose.
(function () {
  "use strict";
  var system = window.matchMedia("(prefers-color-scheme: dark)");
  var own = document.documentElement.dataset.ownTheme;  // what the member of staff set for every browser
  try { if (own) { localStorage.setItem("theme", own); } } catch (error) { /* private mode */ }
  function chosen() {
    if (own) { return own; }
    try { return localStorage.getItem("theme") || "system"; } catch (error) { return "system"; }
  }
  function apply() {
    var theme = chosen();
    var shown = theme === "system" ? (system.matches ? "dark" : "light") : theme;
    document.documentElement.setAttribute("data-bs-theme", shown);
    document.dispatchEvent(new CustomEvent("theme", { detail: { chosen: theme, shown: shown } }));
  }
  apply();
  system.addEventListener("change", apply);
  window.recsiteTheme = {
    chosen: chosen,
    choose: function (theme) {
      if (own) { own = theme; }
      try { localStorage.setItem("theme", theme); } catch (error) { /* private mode: it lasts for this page */ }
      apply();
    },
  };
})();

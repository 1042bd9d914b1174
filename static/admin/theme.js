// One theme for console and admin: the console keeps "theme" (system, light, dark), the admin "adminTheme" (auto, …).
(function () {
  "use strict";
  var toAdmin = { system: "auto", light: "light", dark: "dark" };
  var toConsole = { auto: "system", light: "light", dark: "dark" };
  try {
    var chosen = localStorage.getItem("theme");
    if (toAdmin[chosen]) localStorage.setItem("adminTheme", JSON.stringify(toAdmin[chosen]));
    window.addEventListener("pagehide", function () {
      var admin = JSON.parse(localStorage.getItem("adminTheme") || "null");
      if (toConsole[admin]) localStorage.setItem("theme", toConsole[admin]);
    });
  } catch (error) { /* private mode: each keeps its own for this page */ }
})();

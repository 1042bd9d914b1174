// A field with choices that the server ranks as one types: arrows and Enter choose, Esc closes the choices first.
// data-typeahead: "" goes to the choice's page, "fill" writes its path into the field, "one" and "many" collect it below.
(function () {
  "use strict";

  function parts(node) {
    var box = node && node.closest && node.closest("[data-typeahead]");
    if (!box) { return null; }
    return { box: box, input: box.querySelector("[role=combobox]"), found: box.querySelector(".typeahead-found"), picked: box.querySelector("[data-picked]") };
  }
  function options(one) { return Array.from(one.found.querySelectorAll("[role=option]")); }
  function mark(one, option) {
    options(one).forEach(function (each) { each.setAttribute("aria-selected", String(each === option)); });
    if (option) {
      one.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else { one.input.removeAttribute("aria-activedescendant"); }
  }
  function close(one) {
    one.found.replaceChildren();
    one.input.setAttribute("aria-expanded", "false");
    mark(one, null);
  }
  function changed(one) { one.input.dispatchEvent(new Event("change", { bubbles: true })); }

  function hidden(name, value) {
    var field = document.createElement("input");
    field.type = "hidden"; field.name = name; field.value = value;
    return field;
  }
  function pick(one, option) {
    if (one.box.dataset.typeahead === "one") { one.picked.replaceChildren(); }
    var name = one.box.dataset.name || "chosen";
    if (one.picked.querySelector('input[name=' + name + '][value="' + CSS.escape(option.dataset.value) + '"]')) { return; }
    var row = document.createElement("li");
    row.className = "filter-chip";
    var words = document.createElement("span");
    words.className = "cut";
    words.textContent = option.dataset.path;
    var remove = document.createElement("button");
    remove.type = "button";
    remove.dataset.unpick = "";
    remove.textContent = "✕";
    remove.setAttribute("aria-label", one.box.dataset.wordRemove);
    row.append(hidden(name, option.dataset.value));
    if (name === "chosen") { row.append(hidden("chosen_path", option.dataset.path)); }
    row.append(words, remove);
    one.picked.append(row);
  }
  function choose(one, option) {
    var kind = one.box.dataset.typeahead;
    if (!kind) { window.location.assign(option.dataset.href); return; }
    if (kind === "fill") { one.input.value = option.dataset.path; } else { pick(one, option); one.input.value = ""; }
    close(one);
    one.input.focus();
    changed(one);
  }

  document.addEventListener("keydown", function (event) {
    var one = event.target.getAttribute && event.target.getAttribute("role") === "combobox" ? parts(event.target) : null;
    if (!one) { return; }
    var all = options(one), here = all.findIndex(function (each) { return each.getAttribute("aria-selected") === "true"; });
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!all.length) { return; }
      var step = event.key === "ArrowDown" ? 1 : -1;
      mark(one, all[(here < 0 && step < 0 ? all.length - 1 : here + step + all.length) % all.length]);
      event.preventDefault();
    } else if (event.key === "Enter" && here >= 0) {
      choose(one, all[here]);
      event.preventDefault();
    } else if (event.key === "Enter" && one.box.dataset.typeahead !== "fill") {
      if (all.length) { choose(one, all[0]); }  // they are ranked: the first is what was most likely meant
      event.preventDefault();
    } else if (event.key === "Escape" && one.found.childElementCount) {
      close(one);
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);
  document.addEventListener("click", function (event) {
    var option = event.target.closest("[data-typeahead] [role=option]");
    if (option) { choose(parts(option), option); return; }
    var remove = event.target.closest("[data-unpick]");
    if (remove) {
      var one = parts(remove);
      remove.closest("li").remove();
      one.input.focus();
      changed(one);
    }
    document.querySelectorAll("[data-typeahead='']").forEach(function (box) { if (!box.contains(event.target)) { close(parts(box)); } });
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    var one = event.target.classList && event.target.classList.contains("typeahead-found") ? parts(event.target) : null;
    if (!one) { return; }
    one.input.setAttribute("aria-expanded", String(options(one).length > 0));
    mark(one, null);
  });
  document.addEventListener("input", function (event) {  // an emptied field asks nothing, so its choices go by themselves
    var one = event.target.getAttribute && event.target.getAttribute("role") === "combobox" ? parts(event.target) : null;
    if (one && !event.target.value.trim()) { close(one); }
  });
})();

// The tree of labels by keyboard, branches that load when they are opened, and the dialogs in which it is edited.
(function () {
  "use strict";

  // ---- dialogs: what the server sends into one opens it
  document.body.addEventListener("htmx:afterSwap", function (event) {
    var sheet = event.target;
    if (!(sheet instanceof HTMLDialogElement) || !("sheet" in sheet.dataset)) { return; }
    if (!sheet.open) { sheet.showModal(); }
    var first = sheet.querySelector("[role=alert]") ? sheet.querySelector("[autofocus], input:not([type=hidden]), textarea:not([hidden])") : sheet.querySelector("[autofocus]");
    if (first) { first.focus(); if (first.select && first.type !== "file") { first.select(); } }
  });
  document.querySelectorAll("dialog[data-sheet]").forEach(function (sheet) {
    sheet.addEventListener("close", function () { sheet.replaceChildren(); });
  });
  document.addEventListener("click", function (event) {  // a menu closes once one of its buttons opened a dialog
    var button = event.target.closest("details.menu .menu-list button");
    if (button) { button.closest("details").open = false; }
  });

  // ---- below the tree, as on a phone, the panel of the label that was chosen comes into view
  document.body.addEventListener("htmx:afterSwap", function (event) {
    var panel = event.target;
    if (panel.id === "panel" && panel.getBoundingClientRect().top > window.innerHeight - 160) { panel.scrollIntoView({ block: "start" }); }
  });

  // ---- the tree
  var tree = document.querySelector("[data-tree]");
  if (!tree) { return; }

  function nodes() {
    return Array.from(tree.querySelectorAll(".node, .node-more")).filter(function (node) { return node.getClientRects().length > 0; });
  }
  function below(node) { return document.getElementById(node.getAttribute("aria-owns")); }
  function isOpen(node) { return node.getAttribute("aria-expanded") === "true"; }
  function focus(node) {
    if (!node) { return; }
    tree.querySelectorAll('[tabindex="0"]').forEach(function (each) { each.tabIndex = -1; });
    node.tabIndex = 0;
    node.focus();
    node.scrollIntoView({ block: "nearest" });
  }
  function open(node) {
    var group = below(node);
    node.setAttribute("aria-expanded", "true");
    group.hidden = false;
    if (!group.childElementCount && !group.dataset.asked) {
      group.dataset.asked = "1";
      window.htmx.ajax("GET", node.dataset.branch, { target: group, swap: "innerHTML" });
    }
  }
  function shut(node) {
    node.setAttribute("aria-expanded", "false");
    below(node).hidden = true;
  }
  function select(node) {
    tree.querySelectorAll('[aria-selected="true"]').forEach(function (each) { each.setAttribute("aria-selected", "false"); });
    node.setAttribute("aria-selected", "true");
    focus(node);
  }
  var start = tree.querySelector('[aria-selected="true"]') || tree.querySelector(".node");
  if (start) { start.tabIndex = 0; }
  if (start && start.getAttribute("aria-selected") === "true") {  // within the tree only: the page keeps its head
    tree.scrollTop += start.getBoundingClientRect().top - tree.getBoundingClientRect().top - tree.clientHeight / 3;
  }

  tree.addEventListener("click", function (event) {
    var toggle = event.target.closest(".node-toggle"), node = event.target.closest(".node");
    if (toggle && node && node.hasAttribute("aria-expanded")) {
      event.preventDefault();
      event.stopPropagation();  // before htmx hears of it
      if (isOpen(node)) { shut(node); } else { open(node); }
      focus(node);
    } else if (node) { select(node); }
  }, true);
  tree.addEventListener("focusin", function (event) {
    var node = event.target.closest(".node");
    if (node) { tree.querySelectorAll('.node[tabindex="0"]').forEach(function (each) { if (each !== node) { each.tabIndex = -1; } }); node.tabIndex = 0; }
  });
  tree.addEventListener("keydown", function (event) {
    var node = event.target.closest(".node, .node-more");
    if (!node || event.ctrlKey || event.metaKey || event.altKey) { return; }
    var all = nodes(), here = all.indexOf(node), isBranch = node.hasAttribute("aria-expanded");
    if (event.key === "ArrowDown") { focus(all[Math.min(all.length - 1, here + 1)]); }
    else if (event.key === "ArrowUp") { focus(all[Math.max(0, here - 1)]); }
    else if (event.key === "Home") { focus(all[0]); }
    else if (event.key === "End") { focus(all[all.length - 1]); }
    else if (event.key === "ArrowRight" && isBranch) { if (isOpen(node)) { focus(below(node).querySelector(".node")); } else { open(node); } }
    else if (event.key === "ArrowLeft") {
      if (isBranch && isOpen(node)) { shut(node); }
      else {
        var group = node.closest(".node-below");
        if (group) { focus(tree.querySelector('[aria-owns="' + group.id + '"]')); }
      }
    } else { return; }
    event.preventDefault();
    event.stopPropagation();
  });
})();

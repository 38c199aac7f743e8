// Console: what a page gains where scripts run. Without them every page still works.
"use strict";

const announce = (text) => {
  let region = document.getElementById("announced");
  if (!region) {
    region = Object.assign(document.createElement("div"), { id: "announced", className: "visually-hidden" });
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
};

// Buttons that copy, beside what they copy.
const offerCopies = (root) => {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
  }
};

// One empty row more, once the last one is being filled.
const growPairs = (event) => {
  const pairs = event.target.closest("[data-pairs]");
  const row = event.target.parentElement;
  if (!pairs || row !== pairs.lastElementChild) return;
  const next = row.cloneNode(true);
  const number = pairs.children.length + 1;
  for (const input of next.querySelectorAll("input")) {
    input.value = "";
    input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+/, number));
  }
  pairs.append(next);
};

// Keys: g and a letter go to a screen, / to the filter, n makes a new one, j and k move.
let afterG = 0;
const press = (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (Date.now() - afterG < 1500) {
    afterG = 0;
    document.querySelector(`.rail [data-key="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const links = [...document.querySelectorAll("tbody a.whole")];
  const at = links.indexOf(document.activeElement);
  const acts = {
    "g": () => { afterG = Date.now(); },
    "/": () => document.querySelector("[data-filter]")?.focus(),
    "n": () => document.querySelector("[data-new]")?.click(),
    "j": () => links[Math.min(at + 1, links.length - 1)]?.focus(),
    "k": () => links[Math.max(at - 1, 0)]?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
  };
  if (acts[event.key]) {
    event.preventDefault();
    acts[event.key]();
  }
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) navigator.clipboard.writeText(button.dataset.copy).then(() => announce("Copied"));
});
document.addEventListener("input", growPairs);
document.addEventListener("keydown", press);
document.addEventListener("submit", (event) => {
  // Once: a second press would ask for the same thing again.
  if (event.submitter) setTimeout(() => { event.submitter.disabled = true; });
});
offerCopies(document);
document.querySelector("[data-focus]")?.focus();

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
  for (const input of next.querySelectorAll("input, select, textarea")) {
    input.value = "";
    input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+/, number));
  }
  pairs.append(next);
};

// What is not finished is read again, but for a part in which somebody is.
const PERIOD = 2000;
const keepFresh = async () => {
  const link = document.querySelector("[data-refresh]");
  if (!link) return;
  const answer = document.hidden ? null : await fetch(link.href).catch(() => null);
  if (answer?.ok && !answer.redirected) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.querySelector("[data-refresh]")) {
      location.replace(link.href);
      return;
    }
    for (const part of document.querySelectorAll("[data-fresh]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
    }
  }
  setTimeout(keepFresh, PERIOD);
};
setTimeout(keepFresh, PERIOD);

// Placeholders that are put in where one wrote last.
let lastTemplate = null;
const offerPlaceholders = (root) => {
  for (const chip of root.querySelectorAll("span[data-insert]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = chip.className;
    button.title = chip.title;
    button.dataset.insert = chip.dataset.insert;
    button.append(...chip.childNodes);
    chip.replaceWith(button);
  }
};
const insertPlaceholder = (text) => {
  const fields = [...document.querySelectorAll("[data-template]")];
  const field = fields.includes(lastTemplate) ? lastTemplate : fields.find((each) => each.tagName === "TEXTAREA") ?? fields[0];
  if (!field) return;
  field.focus();
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

// A preview that follows what is typed: what the button Preview would show.
const previewLive = (form) => {
  const part = document.getElementById(form.dataset.preview);
  let waiting = 0;
  let asked = 0;
  const ask = async () => {
    const number = ++asked;
    const body = new URLSearchParams(new FormData(form));
    body.set("preview", "1");
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById(part.id);
    if (fresh && number === asked) part.replaceChildren(...fresh.childNodes);
  };
  for (const button of form.querySelectorAll("[data-unscripted]")) button.hidden = true;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => ask().catch(() => {}), 350);
  });
};

// What a policy covers, asked for again a moment after each change of its form.
let toCheck = 0;
const checkSoon = (event) => {
  const form = event.target.closest("form[data-check]");
  if (!form) return;
  clearTimeout(toCheck);
  const asked = toCheck = setTimeout(async () => {
    try {
      const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (!answer.ok || answer.redirected) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      // An answer that a later change has overtaken is shown no more.
      if (asked === toCheck) document.getElementById("covers").replaceChildren(...part.body.childNodes);
    } catch { /* the server is away: the button Check tells so */ }
  }, 400);
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
document.addEventListener("click", (event) => {
  const chip = event.target.closest("button[data-insert]");
  if (chip) insertPlaceholder(chip.dataset.insert);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-template]")) lastTemplate = event.target;
});
for (const button of document.querySelectorAll("[data-keys]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById("keys").showModal());
}
document.addEventListener("input", growPairs);
document.addEventListener("input", checkSoon);
document.addEventListener("keydown", press);
document.addEventListener("submit", (event) => {
  // Once: a second press would ask for the same thing again.
  if (event.submitter) setTimeout(() => { event.submitter.disabled = true; });
});
offerCopies(document);
offerPlaceholders(document);
document.querySelectorAll("form[data-preview]").forEach(previewLive);
document.querySelector("[data-focus]")?.focus();

// Live: rows that come while a page is open, as /console/live sends them (console/live.py).
"use strict";

(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const MOST_ROWS = 200;
  const SILENT = 9000; // ms; the server beats each five seconds
  const AGAIN = 3000;
  const into = document.getElementById(live.dataset.into);
  const fresh = live.querySelector("[data-live-new]");
  const pause = live.querySelector("[data-live-pause]");
  const seen = new Set(into ? [...into.children].map((row) => row.id) : []);
  let waiting = [];
  let heard = Date.now();
  let reader = null;

  const show = (state) => {
    for (const each of live.querySelectorAll("[data-live]")) each.hidden = each.dataset.live !== state;
    live.dataset.state = state;
  };
  const isPaused = () => pause.getAttribute("aria-pressed") === "true";
  const settled = () => show(isPaused() ? "paused" : "on");

  const put = (rows) => {
    for (const row of rows) {
      into.prepend(row);
      row.classList.add("new");
    }
    while (into.children.length > MOST_ROWS) into.lastElementChild.remove();
  };
  const release = () => {
    put(waiting);
    waiting = [];
    fresh.hidden = true;
  };
  const take = (html) => {
    if (!into) { // the list was empty
      if (live.dataset.into) location.reload();
      return;
    }
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    const rows = [...parsed.content.children].filter((row) => row.id && !seen.has(row.id));
    for (const row of rows) seen.add(row.id);
    while (seen.size > 10 * MOST_ROWS) seen.delete(seen.values().next().value);
    const isRead = into.getBoundingClientRect().top < 0 || into.contains(document.activeElement);
    if (!isPaused() && !isRead && !waiting.length) return put(rows);
    waiting = [...waiting, ...rows].slice(-MOST_ROWS);
    fresh.hidden = !waiting.length;
    fresh.textContent = waiting.length < MOST_ROWS ? `${waiting.length} new` : `${MOST_ROWS} or more new`;
  };

  live.addEventListener("htmx:sse:after:connection", (event) => {
    heard = Date.now();
    reader = event.detail.connection;
    settled();
  });
  live.addEventListener("htmx:sse:before:connection", (event) => {
    if (live.dataset.state === "ended") event.preventDefault();
    else if (event.detail.connection.attempt > 1) show("lost");
  });
  live.addEventListener("htmx:sse:before:message", (event) => {
    heard = Date.now();
    if (live.dataset.state === "lost") settled();
    if (event.detail.message.event) return;
    event.preventDefault(); // rows are taken in here, each once
    take(event.detail.message.data);
  });
  live.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status !== 401) return show("lost");
    show("ended");
  });
  // The first connection was refused: as there is no stream, none is tried again.
  for (const name of ["htmx:error", "htmx:response:error"]) {
    live.addEventListener(name, (event) => {
      if (event.detail.ctx?.response?.status === 401) return show("ended");
      show("lost");
      setTimeout(() => htmx.trigger(live, "again"), AGAIN);
    });
  }
  live.addEventListener("gap", () => { live.querySelector("[data-live-gap]").hidden = false; });
  fresh.addEventListener("click", () => {
    release();
    into.closest("table")?.scrollIntoView({ block: "start" });
  });
  pause.addEventListener("click", () => {
    const paused = !isPaused();
    pause.setAttribute("aria-pressed", paused);
    if (!paused) release();
    settled();
  });
  setInterval(() => {
    if (document.hidden || !reader || live.dataset.state === "ended") heard = Date.now();
    if (Date.now() - heard < SILENT) return;
    show("lost");
    heard = Date.now();
    reader.reader?.cancel(); // its extension connects again
  }, 1000);
  document.addEventListener("visibilitychange", () => { heard = Date.now(); });
  live.hidden = false;
  show("connecting");
})();

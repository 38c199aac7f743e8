// Live: rows that come while a page is open, as /console/live sends them (console/live.py).
"use strict";

(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const MOST_ROWS = 200;
  const SILENT = 9000; // ms; the server beats each five seconds
  const AGAIN = 3000;
  const into = document.getElementById(live.dataset.into);
  const told = document.getElementById("told");
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
  // A browser has six connections to a server, for all its tabs: those used last are live.
  const MOST_TABS = 4;
  const me = Math.random().toString(36);
  const tabs = new BroadcastChannel("keyrelay-live");
  const newer = new Set();
  let resting = false;
  let open = false;
  let last = "";
  const again = () => setTimeout(() => htmx.trigger(live, "again"), 50);
  tabs.addEventListener("message", ({ data }) => {
    newer.add(data);
    if (newer.size < MOST_TABS || resting) return;
    resting = true;
    show("resting");
    reader?.reader?.cancel();
  });
  const use = () => {
    newer.clear();
    tabs.postMessage(me);
    if (!resting) return;
    resting = false;
    show("connecting");
    if (!open) again();
  };
  const useOnceMore = () => { if (newer.size && !document.hidden) use(); };
  for (const name of ["focus", "pointerdown", "keydown"]) addEventListener(name, useOnceMore);
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
  const take = (came) => {
    if (!into) { // the list was empty
      if (live.dataset.into) location.reload();
      return;
    }
    const rows = came.filter((row) => row.id && !seen.has(row.id));
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
    open = true;
    if (!resting) return settled();
    // It was asked for before this tab gave way: it is let go once it is read.
    setTimeout(() => { if (resting) reader.reader?.cancel(); }, 50);
  });
  live.addEventListener("htmx:sse:before:connection", (event) => {
    if (resting || live.dataset.state === "ended") event.preventDefault();
    else if (event.detail.connection.attempt > 1) show("lost");
  });
  live.addEventListener("htmx:sse:before:message", (event) => {
    heard = Date.now();
    if (resting) reader.reader?.cancel();
    if (live.dataset.state === "lost") settled();
  });
  // What came was put aside by htmx; here each row is taken in once, when its time is.
  live.addEventListener("htmx:sse:after:message", (event) => {
    last = event.detail.message.id || last;
    if (event.detail.message.event) return;
    const came = [...told.children];
    told.replaceChildren();
    take(came);
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
  live.addEventListener("htmx:sse:close", () => {
    open = false;
    if (!resting && live.dataset.state !== "ended") again();
  });
  live.addEventListener("htmx:config:request", (event) => {
    if (last) event.detail.ctx.request.headers["Last-Event-ID"] = last;
  });
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
    if (document.hidden || resting || !open || live.dataset.state === "ended") heard = Date.now();
    if (Date.now() - heard < SILENT) return;
    show("lost");
    heard = Date.now();
    reader.reader?.cancel(); // its extension connects again
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    heard = Date.now();
    useOnceMore();
  });
  use();
  live.hidden = false;
  show("connecting");
  // Once htmx has looked at the page, which it may do before its extension, or this, has
  // come; looked at twice, the page would have two streams.
  setTimeout(() => {
    live.setAttribute("hx-sse:connect", live.dataset.connect);
    htmx.process(live);
  });
})();

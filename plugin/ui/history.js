// @ts-check
// The tab "History", and the plot.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, ask, useAsked, happened, when, count, things, lasting, between, percent, runText, startedBy } =
    PlexSync;
  const { Boundary, Card, Sheet, Technical, Trouble } = PlexSync;
  const { Fragment } = api.React;

  /** @param {{ runs: Run[] }} props */
  const Runs = ({ runs }) =>
    !runs.length
      ? h("p", null, "PlexSync has not run yet.")
      : h(
          Sheet,
          { label: "Runs", head: ["Started", "Why", "Took", "Result", "Writes to Plex"] },
          runs.map((r) =>
            h(
              "tr",
              { key: r.started },
              h("td", { "data-label": "Started" }, when(r.started)),
              h("td", { "data-label": "Why" }, startedBy(r)),
              h("td", { "data-label": "Took" }, r.ended ? between(r.started, r.ended) : "running, or was stopped"),
              h("td", { "data-label": "Result" }, runText(r), h(Technical, { text: r.note })),
              h("td", { "data-label": "Writes to Plex" }, count(r.writes)),
            ),
          ),
        );

  /** @param {string} day */
  const date = (day) => new Date(day + "T12:00:00").toLocaleDateString(undefined, { month: "short", day: "numeric" });

  // The next of 1, 2, 5, 10, 20, … that is not below n.
  /** @param {number} n */
  function ceiling(n) {
    let step = 1;
    for (;;) {
      for (const f of [1, 2, 4, 10]) if (n <= f * step) return f * step;
      step *= 10;
    }
  }

  const LEFT = 40;
  const WIDTH = 640;
  const HEIGHT = 110; // of the bars

  // A bar a day, and below it the time that Plex was out.
  PlexSync.Plot = ({ days }) => {
    const first = days[0];
    const last = days[days.length - 1];
    if (!first || !last) return h("p", null, "Nothing on record yet.");
    const top = ceiling(Math.max(4, ...days.map((d) => d.synced)));
    const all = days.reduce((n, d) => n + d.synced, 0);
    const out = days.filter((d) => d.out_seconds > 0);
    const wide = (WIDTH - LEFT) / days.length;
    /** @param {number} n */
    const y = (n) => 12 + HEIGHT - (HEIGHT * n) / top;
    /** @param {Day} d */
    const text = (d) =>
      date(d.day) +
      ": " +
      things(d.synced, "scene", "scenes") +
      (d.out_seconds ? ", Plex unavailable for " + lasting(d.out_seconds) : "");
    const label =
      things(all, "scene", "scenes") +
      " synced in " +
      things(days.length, "day", "days") +
      (out.length ? "; Plex was unavailable on " + out.map((d) => date(d.day)).join(", ") : "");
    return h(
      "figure",
      { className: "plexsync-plot" },
      h(
        "svg",
        { viewBox: "0 0 " + WIDTH + " 160", role: "img", "aria-label": label },
        [0, top / 2, top].map((n) =>
          h(
            "g",
            { key: n },
            h("line", { x1: LEFT, x2: WIDTH, y1: y(n), y2: y(n), className: "plexsync-grid" }),
            h("text", { x: LEFT - 6, y: y(n) + 4, textAnchor: "end" }, count(n)),
          ),
        ),
        days.map((d, i) =>
          h(
            "g",
            { key: d.day, className: "plexsync-day" },
            h("title", null, text(d)),
            h("rect", { x: LEFT + i * wide, y: 0, width: wide, height: 160, className: "plexsync-hit" }),
            d.synced > 0 &&
              h("rect", {
                x: LEFT + i * wide + wide * 0.15,
                y: Math.min(y(d.synced), y(0) - 1),
                width: wide * 0.7,
                height: Math.max(1, y(0) - y(d.synced)),
                className: "plexsync-synced",
              }),
            d.out_seconds > 0 &&
              h("rect", {
                x: LEFT + i * wide + wide * 0.15,
                y: y(0) + 4,
                width: wide * 0.7,
                height: 5,
                rx: 2,
                className: "plexsync-out",
              }),
            (days.length - 1 - i) % Math.ceil(days.length / 5) === 0 &&
              h(
                "text",
                {
                  x: Math.min(LEFT + (i + 0.5) * wide, WIDTH - 18),
                  y: 152,
                  textAnchor: "middle",
                },
                d === last ? "today" : date(d.day),
              ),
          ),
        ),
      ),
      h(
        "figcaption",
        { className: "plexsync-legend" },
        h("span", null, h("i", { className: "plexsync-swatch plexsync-is-busy" }), "scenes synced per day"),
        h("span", null, h("i", { className: "plexsync-swatch plexsync-is-dead" }), "Plex unavailable"),
      ),
    );
  };

  /** @param {{ past: HistoryAnswer }} props */
  const Availability = ({ past }) =>
    h(
      "div",
      { className: "plexsync-windows" },
      past.windows.map((w) =>
        h(
          "div",
          { key: w.days },
          h("strong", null, percent(w.availability)),
          h("span", null, "last " + w.days + " days"),
          h(
            "small",
            null,
            w.outages ? things(w.outages, "outage", "outages") + ", " + lasting(w.out_seconds) : "no outages",
            w.since && Date.now() - new Date(w.since).getTime() < (w.days - 1) * 86400000
              ? h(Fragment, null, "; on record since ", when(w.since))
              : "",
          ),
        ),
      ),
      past.mttr_seconds !== null && h("p", null, "On average an outage took " + lasting(past.mttr_seconds) + "."),
    );

  /** @param {{ outages: Outage[] }} props */
  const Outages = ({ outages }) =>
    !outages.length
      ? h("p", null, "No outages on record.")
      : h(
          Sheet,
          { label: "Outages", head: ["Began", "Lasted", "What happened", "Edits that waited"] },
          outages.map((x) =>
            h(
              "tr",
              { key: x.started },
              h("td", { "data-label": "Began" }, when(x.started)),
              h("td", { "data-label": "Lasted" }, x.ended ? between(x.started, x.ended) : "still going on"),
              h(
                "td",
                { "data-label": "What happened" },
                happened(x.cause, x.message),
                h(Technical, { text: x.message }),
              ),
              h("td", { "data-label": "Edits that waited" }, count(x.waited)),
            ),
          ),
        );

  PlexSync.History = () => {
    const past = useAsked(() => ask("history", {}), []);
    const p = past.value;
    return h(
      Fragment,
      null,
      h(Trouble, { error: past.error, retry: past.reload }),
      !p && !past.error && h("p", null, "Loading…"),
      p &&
        h(
          Fragment,
          null,
          h(Card, { title: "How available Plex was" }, h(Availability, { past: p })),
          h(
            Card,
            { title: "Scenes synced, last 30 days" },
            h(Boundary, { of: "The plot" }, h(PlexSync.Plot, { days: p.days })),
          ),
          h(Card, { title: "Outages" }, h(Outages, { outages: p.outages })),
          h(Card, { title: "Runs" }, h(Runs, { runs: p.runs })),
        ),
    );
  };
})();

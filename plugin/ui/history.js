// @ts-check
// The tab "Runs and outages".

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, ask, useAsked, className, time, count, things, lasting, between } = PlexSync;
  const { Boundary, Card, Figures, Sheet, Trouble } = PlexSync;
  const { Fragment } = api.React;

  const HEAD = ["Started", "Took", "Done", "Unchanged", "Retry", "Waiting", "Dead", "Gone", "Writes", "Note"];

  PlexSync.Runs = ({ runs }) => {
    if (!runs.length) return h("p", null, "No run yet.");
    /** @param {Run} r */
    const figures = (r) => [r.done, r.unchanged, r.retry, r.waiting, r.dead, r.gone, r.writes];
    return h(
      Sheet,
      { label: "Runs", head: HEAD },
      runs.map((r) =>
        h(
          "tr",
          { key: r.started },
          h("td", null, time(r.started)),
          h("td", null, r.ended ? between(r.started, r.ended) : "runs"),
          figures(r).map((n, i) => h("td", { key: i }, count(n))),
          h("td", null, r.note || ""),
        ),
      ),
    );
  };

  // A bar a day, and below it the time that Plex was out.
  PlexSync.Plot = ({ days }) => {
    const first = days[0];
    const last = days[days.length - 1];
    if (!first || !last) return h("p", null, "No day on record.");
    const most = Math.max(...days.map((d) => d.synced));
    const all = days.reduce((n, d) => n + d.synced, 0);
    /** @param {Day} d */
    const height = (d) => (85 * d.synced) / Math.max(1, most);
    /** @param {Day} d */
    const text = (d) =>
      d.day +
      ": " +
      things(d.synced, "scene", "scenes") +
      (d.out_seconds ? ", Plex out for " + lasting(d.out_seconds) : "");
    return h(
      "figure",
      { className: "plexsync-plot" },
      h(
        "svg",
        {
          viewBox: "0 0 300 100",
          role: "img",
          preserveAspectRatio: "none",
          "aria-label": "Synced scenes and outages of the last 30 days: " + things(all, "scene", "scenes"),
        },
        days.map((d, i) =>
          h(
            "g",
            { key: d.day },
            h("title", null, text(d)),
            h("rect", { x: i * 10, y: 0, width: 10, height: 100, className: "plexsync-hit" }),
            h("rect", {
              x: i * 10 + 1,
              y: 90 - height(d),
              width: 8,
              height: height(d),
              className: "plexsync-synced",
            }),
            d.out_seconds > 0 && h("rect", { x: i * 10 + 1, y: 93, width: 8, height: 6, className: "plexsync-out" }),
          ),
        ),
      ),
      h(
        "figcaption",
        null,
        "Synced scenes a day, at most " +
          count(most) +
          "; below, days on which Plex was out. From " +
          first.day +
          " to " +
          last.day +
          ".",
      ),
    );
  };

  /** @param {{ past: HistoryAnswer }} props */
  const Availability = ({ past }) =>
    h(Figures, {
      rows: [
        past.availability === null
          ? ["Available", "no outage on record"]
          : ["Available", (100 * past.availability).toFixed(2) + " %", " since the first outage"],
        ["Mean time to recovery", lasting(past.mttr_seconds)],
        ["Mean time between outages", lasting(past.mtbf_seconds)],
        ["Outages", count(past.outages.length)],
      ],
    });

  /** @param {{ outages: Outage[] }} props */
  const Outages = ({ outages }) =>
    !outages.length
      ? h("p", null, "None.")
      : h(
          Sheet,
          { label: "Outages", head: ["Began", "Lasted", "Cause", "Jobs that waited"] },
          outages.map((x) =>
            h(
              "tr",
              { key: x.started },
              h("td", null, time(x.started)),
              h("td", null, x.ended ? between(x.started, x.ended) : "still on"),
              h("td", null, className(x.cause), h("small", null, x.message)),
              h("td", null, count(x.waited)),
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
      !p && !past.error && h("p", null, "Asking …"),
      p &&
        h(
          Fragment,
          null,
          h(
            "div",
            { className: "plexsync-cards" },
            h(Card, { title: "Availability of Plex" }, h(Availability, { past: p })),
          ),
          h(Boundary, { of: "The plot" }, h(PlexSync.Plot, { days: p.days })),
          h("h3", null, "Outages"),
          h(Boundary, { of: "The list of outages" }, h(Outages, { outages: p.outages })),
          h("h3", null, "Runs"),
          h(Boundary, { of: "The list of runs" }, h(PlexSync.Runs, { runs: p.runs })),
        ),
    );
  };
})();

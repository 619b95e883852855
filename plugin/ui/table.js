// @ts-check
// A list that the plugin searches, sorts and cuts into pages.

/** @typedef {{ kind: string, id: number, subject_id?: number }} Row id is unique among the list's rows of a kind */

/**
 * @template {Row} R
 * @typedef {object} Column
 * @property {string} name
 * @property {string} title
 * @property {string} [sort] the name to sort by; not sorted by if left out
 * @property {(row: R) => React.ReactNode} cell
 */

/**
 * @template {Row} R
 * @typedef {object} TableProps
 * @property {string} label
 * @property {(part: ListArgs) => Promise<{ total: number, rows: R[] }>} ask for a part of the list;
 *   another list is another table, with another key
 * @property {Column<R>[]} columns
 * @property {{ by: string, desc: boolean }} first what it is sorted by at first
 * @property {(selected: number[], clear: () => void, total: number) => React.ReactNode} [actions] shown above it
 * @property {string} empty what is said of an empty list
 * @property {boolean} [searches] false if the list cannot be searched
 * @property {string | undefined} live the list is asked for again when this changes
 */

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, Input, Trouble, count, things, subject, useAsked } = PlexSync;
  const { useState, useEffect, useRef } = api.React;

  const PAGE = 50;

  PlexSync.Table = ({ label, ask, columns, first, actions, empty, live, searches }) => {
    const [search, setSearch] = useState("");
    const [typed, setTyped] = useState("");
    const [sort, setSort] = useState(first);
    const [page, setPage] = useState(0);
    const [selected, setSelected] = useState(/** @returns {Set<number>} */ () => new Set());
    useEffect(() => {
      const t = setTimeout(() => {
        setSearch(typed);
        setPage(0);
      }, 250);
      return () => clearTimeout(t);
    }, [typed]);
    const list = useAsked(
      () => ask({ search, sort: sort.by, desc: sort.desc, limit: PAGE, offset: page * PAGE }),
      [search, sort, page],
    );
    const shown = useRef(live); // what the figures were when the list was asked for
    useEffect(() => {
      if (shown.current !== undefined && shown.current !== live) list.reload();
      shown.current = live;
    }, [live]);
    const { rows, total } = list.value || { rows: [], total: 0 };
    const pages = Math.max(1, Math.ceil(total / PAGE));
    useEffect(() => {
      if (list.value && page >= pages) setPage(pages - 1);
    }, [pages, page, list.value]);
    const clear = () => {
      setSelected(new Set());
      list.reload();
    };
    /** @param {number} id */
    const toggle = (id) =>
      setSelected((s) => {
        const next = new Set(s);
        if (!next.delete(id)) next.add(id);
        return next;
      });
    const all = rows.length > 0 && rows.every((r) => selected.has(r.id));

    /** @param {(typeof columns)[number]} c */
    const head = (c) => {
      const mine = c.sort !== undefined && sort.by === c.sort;
      const button = (/** @type {string} */ by) =>
        h(
          "button",
          {
            type: "button",
            className: "plexsync-sort",
            onClick: () => {
              setSort({ by, desc: mine && !sort.desc });
              setPage(0);
            },
          },
          c.title,
          h("span", { "aria-hidden": true }, mine ? (sort.desc ? " ▼" : " ▲") : ""),
        );
      return h(
        "th",
        {
          key: c.name,
          scope: "col",
          "aria-sort": !c.sort ? undefined : !mine ? "none" : sort.desc ? "descending" : "ascending",
        },
        c.sort ? button(c.sort) : c.title,
      );
    };
    const box = (/** @type {string} */ label, /** @type {boolean} */ checked, /** @type {() => void} */ onChange) =>
      h("input", { type: "checkbox", "aria-label": label, checked, onChange });

    return h(
      "section",
      { className: "plexsync-table", "aria-label": label, "aria-busy": !!list.loading },
      // Nothing to search or to choose from.
      !(list.value && total === 0 && !search && !typed) &&
        h(
          "div",
          { className: "plexsync-bar" },
          searches !== false &&
            h(Input, {
              type: "search",
              size: "sm",
              "aria-label": "Search in " + label,
              placeholder: "Search",
              value: typed,
              onText: setTyped,
            }),
          actions && actions([...selected], clear, total),
          h("span", { className: "plexsync-total", role: "status" }, list.value ? things(total, "row", "rows") : ""),
        ),
      h(Trouble, { error: list.error, retry: list.reload }),
      list.value && total === 0
        ? h("p", { className: "plexsync-empty" }, search ? 'No results for "' + search + '".' : empty)
        : h(
            "div",
            null,
            h(
              "table",
              { className: "table table-sm plexsync-rows", "aria-label": label },
              h(
                "thead",
                null,
                h(
                  "tr",
                  null,
                  actions &&
                    h(
                      "th",
                      { scope: "col" },
                      box("Select all on this page", all, () =>
                        setSelected(all ? new Set() : new Set(rows.map((r) => r.id))),
                      ),
                    ),
                  columns.map(head),
                ),
              ),
              h(
                "tbody",
                null,
                rows.map((r) =>
                  h(
                    "tr",
                    { key: r.kind + r.id },
                    actions &&
                      h(
                        "td",
                        { className: "plexsync-select" },
                        box("Select " + subject(r), selected.has(r.id), () => toggle(r.id)),
                      ),
                    columns.map((c) =>
                      h("td", { key: c.name, className: "plexsync-" + c.name, "data-label": c.title }, c.cell(r)),
                    ),
                  ),
                ),
              ),
            ),
          ),
      pages > 1 &&
        h(
          "nav",
          { className: "plexsync-pages", "aria-label": "Pages of " + label },
          h(
            B.Button,
            { size: "sm", variant: "secondary", disabled: page === 0, onClick: () => setPage(page - 1) },
            "Previous",
          ),
          h("span", { "aria-live": "polite" }, "Page " + count(page + 1) + " of " + count(pages)),
          h(
            B.Button,
            { size: "sm", variant: "secondary", disabled: page + 1 >= pages, onClick: () => setPage(page + 1) },
            "Next",
          ),
        ),
    );
  };
})();

// What a person does on PlexSync's pages, in a real browser:
//
//   node flows.mjs FLOW ADDRESS FOLDER
//
// FOLDER takes the screenshots. POST /do/NAME at ADDRESS makes the test do something in
// Stash or Plex meanwhile. A flow fails by an exception.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [flow, address, folder] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
context.setDefaultTimeout(60000);
const page = await context.newPage();

// Every request stays with this host, and no script fails.
const asked = []; // modes, in order
page.on("request", (r) => {
  assert.ok(r.url().startsWith(address) || r.url().startsWith("data:"), "a request leaves: " + r.url());
  const body = r.postDataJSON?.();
  if (body?.variables?.args?.mode) asked.push(body.variables.args.mode);
});
page.on("pageerror", (e) => {
  throw e;
});
let forgiven = false; // errors that a boundary of ours caught, which React logs
page.on("console", (m) => {
  if (m.type() === "error" && !forgiven && !m.text().includes("status of 4")) throw new Error("console: " + m.text());
});

// answers lets change(mode, data) change what the plugin answers, in place.
const answers = (change) =>
  page.route("**/graphql", async (r) => {
    const mode = r.request().postDataJSON().variables?.args?.mode;
    if (!mode) return r.continue();
    const response = await r.fetch();
    const json = await response.json();
    if (json.data?.runPluginOperation) change(mode, json.data.runPluginOperation.data);
    return r.fulfill({ response, json });
  });

const go = (path) => page.goto(address + path);
const says = (text, where = page) =>
  where.getByText(text, { exact: false }).filter({ visible: true }).first().waitFor();
const button = (name) => page.getByRole("button", { name, exact: true });
const tab = (name) => page.getByRole("tab", { name, exact: true }).click();
const does = async (name) => assert.equal((await fetch(address + "/do/" + name, { method: "POST" })).status, 200, name);
const shows = (name) => page.screenshot({ path: join(folder, name + ".png"), fullPage: true });
const until = async (what, f) => {
  for (let i = 0; i < 600; i++) {
    if (await f()) return;
    await page.waitForTimeout(100);
  }
  throw new Error("still not: " + what);
};

// accessible fails on what axe-core finds, and on a page that is wider than the screen.
async function accessible(name) {
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() =>
    window.axe.run(".plexsync, .plexsync-nav", { resultTypes: ["violations"] }),
  );
  assert.deepEqual(
    violations.map((v) => v.id + ": " + v.nodes[0].html + " " + v.nodes[0].failureSummary),
    [],
    name,
  );
  const [inner, all] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth]);
  assert.ok(all <= inner, `${name} is ${all} wide on a screen of ${inner}`);
}

const flows = {
  // From an installation to the first sync, in the settings alone.
  async setup() {
    await go("/plexsync");
    await says("PlexSync is not set up");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    await shows("empty");
    await accessible("empty overview");
    await go("/settings");
    await says("Setting of another plugin");
    await page.getByLabel("Plex address").fill("ftp://plex");
    await says("begins with ftp://, must begin with http:// or https://");
    assert.ok(await button("Save").isEnabled());
    await button("Save").click();
    await says("Not saved.");
    await page.getByLabel("Plex address").fill(process.env.PLEX);
    await page.getByLabel("Plex token").fill(process.env.TOKEN);
    await button("Test the connection").click();
    await says("answers, version");
    await says("Of 3 scenes Plex has 0 under their path, 3 under another");
    await page.getByLabel("Films (/media)").waitFor();
    await page.getByLabel("Others (/others)").click(); // off
    await button("Add /data => /media").first().click();
    await button("Test the connection").click();
    await says("Of 3 scenes Plex has 3 under their path");
    assert.equal(await page.getByLabel("Path rules").inputValue(), "/data => /media");
    await page.getByLabel("Rating", { exact: true }).check();
    await shows("settings");
    await accessible("settings");
    await button("Save").click();
    await says("The settings of PlexSync are saved");
    await does("check-settings");
    assert.equal(await page.getByLabel("Plex token").inputValue(), "", "the token is shown again");
    assert.ok(!(await page.content()).includes(process.env.TOKEN), "the token is on the page");
    await page.reload();
    await says("Open PlexSync");
    assert.equal(await page.getByLabel("Plex address").inputValue(), process.env.PLEX);
    assert.ok(await page.getByLabel("Rating", { exact: true }).isChecked());
    await page.getByRole("link", { name: "Open PlexSync" }).click();
    await says("All is well");
    await says("Simplex");
    // Only what was changed changes.
    await button("Pause").click();
    await says("PlexSync is paused");
    await does("check-paused");
    await button("Go on").click();
    await says("PlexSync goes on");
    await does("check-settings");
  },

  // An outage, seen from the page.
  async outage() {
    await go("/plexsync");
    await says("Plex cannot be used since");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    await says("still on");
    await shows("outage");
    await accessible("outage");
    await tab("Queue");
    await page.locator("tbody tr").nth(2).waitFor();
    await says("Plex could not be reached");
    await says("Film 1");
    await accessible("queue");
    await does("up");
    await tab("Overview");
    await button("Process now").click();
    await says("The queue is being worked");
    await says("All is well");
    await tab("Runs and outages");
    await says("Mean time to recovery");
    await says("1 min", page.locator("table").first()).catch(() => {}); // how long, differs
    await shows("history");
    await accessible("history");
    await page.reload(); // survives
    await says("Mean time to recovery");
  },

  // A drain at work: figures move without a click.
  async busy() {
    await go("/plexsync");
    await says("All is well");
    await does("start");
    await page.locator(".plexsync-nav.plexsync-busy").waitFor();
    const queued = async () =>
      Number(((await page.locator(".plexsync-headline").innerText()).match(/^(\d+) jobs? (is|are) queued/) || [])[1]);
    await until("many are queued", async () => (await queued()) > 20);
    await shows("busy");
    await accessible("busy");
    const before = await queued();
    await until("fewer are queued", async () => (await queued()) < before);
    await tab("Queue");
    await says("being worked");
    await tab("Overview");
    await says("All is well");
    await page.locator(".plexsync-nav.plexsync-ok").waitFor();
    await does("check-done");
  },

  // A scene's own tab.
  async scene() {
    await go("/scenes/1");
    await tab("Plex");
    await says("would be written");
    await says("New title");
    await says("Open item");
    await shows("scene");
    await accessible("scene");
    await button("Explain").click();
    await says("is looked for in Plex as");
    await button("Sync now").click();
    await says("The scene is queued");
    await says("Plex shows what Stash has");
    await does("check-title");
    await go("/scenes/2");
    await tab("Plex");
    await says("not in Plex");
    await go("/scenes/3");
    await tab("Plex");
    await says("which excludeTags names");
  },

  // 5,000 dead letters: searched, sorted, retried, dropped.
  async letters() {
    await go("/plexsync?tab=dead");
    await says("5,000 rows");
    await says("Page 1 of 100");
    await page.locator(".plexsync-nav", { hasText: "99+" }).waitFor();
    await shows("letters");
    await accessible("letters");
    await button("Next").click();
    await says("Page 2 of 100");
    await page.getByLabel("Search in Dead letters").fill("title 4999");
    await says("1 row");
    await says("Title 4999");
    await page.getByLabel("Search in Dead letters").fill("100%");
    await says("Nothing holds");
    await page.getByLabel("Search in Dead letters").fill("");
    await says("5,000 rows");
    const first = () => page.locator("tbody tr").first().innerText();
    await page.getByRole("button", { name: "Scene" }).click();
    await until("sorted by title", async () => (await first()).includes("Title 1\n"));
    assert.equal(await page.getByRole("columnheader", { name: "Scene" }).getAttribute("aria-sort"), "ascending");
    // Some, with a question that can be answered by the keyboard.
    await page.getByLabel("Select scene 1", { exact: true }).check();
    await page.getByLabel("Select scene 10", { exact: true }).check();
    await button("Drop selected").click();
    await says("Delete 2 letters for good?");
    await accessible("question");
    await page.keyboard.press("Escape");
    await page.getByText("Delete 2 letters for good?").waitFor({ state: "detached" });
    await button("Drop selected").click();
    for (let i = 0; i < 4 && !(await page.evaluate(() => document.activeElement.textContent === "Delete")); i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await says("2 letters were deleted");
    await says("4,998 rows");
    await page.getByLabel("Select scene 100", { exact: true }).check();
    await button("Retry 1 selected").click();
    await says("1 scene is queued again");
    await does("check-retried");
    // All of a class.
    await page.getByLabel("Class", { exact: true }).selectOption("rejected");
    await says("2,498 rows");
    await button("Drop all of this class").click();
    await button("Delete").click();
    await says("2,498 letters were deleted");
    await does("check-dropped");
    await page.getByLabel("Class", { exact: true }).selectOption("");
    await button("Retry all").click();
    await says("2,499 scenes are queued again"); // and not what Plex lacks
    await tab("Not in Plex");
    await says("1 row");
    await says("They come back by themselves");
    await accessible("not in Plex");
  },

  async preview() {
    await go("/plexsync?tab=preview");
    await says("100 scenes looked at: 100 items would be written");
    await button("Go on").click();
    await says("That is all.");
    await says("130 scenes looked at: 130 items would be written");
    assert.equal(await page.locator(".plexsync-item").count(), 130);
    await says("film000");
    await says("Film 0");
    await shows("preview");
    await accessible("preview");
    await does("check-untouched");
  },

  // An item of which no field would change, as the program answers it, and as 0.1.0 did:
  // without a list of changes.
  async poster() {
    for (const change of [
      null,
      (mode, data) => mode === "preview_list" && data.first.forEach((i) => (i.changes = null)),
    ]) {
      if (change) await answers(change);
      await go("/plexsync?tab=preview");
      await says("1 item would be written");
      await says("Film 1");
      await says("The poster would be the scene's cover.");
      assert.equal(await page.locator(".plexsync-item").count(), 1);
    }
    await accessible("poster");
    await go("/scenes/2");
    await tab("Plex");
    await says("The poster would be set to the scene's cover.");
  },

  // Answers that no part of ours can show: each part says so in its place, and whatever is
  // Stash's or another plugin's stays.
  async broken() {
    forgiven = true;
    const fails = "could not be shown because of a bug in PlexSync";
    let spoil = {
      overview: (data) => (data.breaker = null),
      history: (data) => (data.days[3] = null),
      explain: (data) => (data.items = null),
      settings_test: (data) => (data.problems = data.libraries = null),
      dlq_list: (data) => (data.rows = [null]),
      preview_list: (data) => (data.first[1].changes = [null]),
    };
    await answers((mode, data) => spoil[mode]?.(data));
    await go("/");
    await says("Home");
    await page.locator(".plexsync-nav.plexsync-alarm", { hasText: "PlexSync" }).click();
    for (const part of ["The state", "Connection", "Plex", "The plot"]) await says(part + " " + fails);
    await says("Being worked"); // a card beside them
    assert.ok(await button("Pause").isEnabled());
    await shows("broken");
    await accessible("broken");
    await tab("Dead letters");
    await says('The tab "Dead letters" ' + fails);
    await tab("Queue");
    await says("Nothing is queued.");
    await tab("Preview");
    await says("3 items would be written");
    await says("Scene 2 " + fails);
    await says("film002");
    await says("Film 2");
    await go("/settings");
    await says("Setting of another plugin");
    await says("The form " + fails);
    await says("1. Plex address"); // Stash's own list
    await go("/scenes/1");
    await tab("Plex");
    await says("What PlexSync knows of the scene " + fails);
    await tab("Details");
    await says("Details of the scene");
    await tab("Plex");
    spoil = {};
    await go("/plexsync?tab=preview");
    await says("film002");
    forgiven = false;
    // What failed once is there again, on a click, when the answer is right.
    spoil = { explain: (data) => (data.items = null) };
    forgiven = true;
    await go("/scenes/1");
    await tab("Plex");
    await says(fails);
    spoil = {};
    await button("Try again").click();
    await says("would be written");
  },

  // Names are data.
  async hostile() {
    for (const path of [
      "/plexsync",
      "/plexsync?tab=queue",
      "/plexsync?tab=dead",
      "/plexsync?tab=preview",
      "/scenes/1",
    ]) {
      await go(path);
      if (path.startsWith("/scenes")) await tab("Plex");
      if (!path.endsWith("plexsync")) await says("<img src=x");
      await page.waitForTimeout(300);
    }
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.locator("img").count(), 0);
    await shows("hostile");
  },

  // A backend that fails, is old, or is gone; and one that comes back.
  async failing() {
    let answer = () => ({ errors: [{ message: "exit status 2" }] });
    await page.route("**/graphql", async (r) => {
      if (!r.request().postData().includes("runPluginOperation")) return r.continue();
      if (answer) return r.fulfill({ json: answer() });
      return r.continue();
    });
    await go("/plexsync");
    await says("exit status 2");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    await shows("failing");
    await accessible("failing");
    answer = () => ({ data: { runPluginOperation: { queued: 0 } } });
    await button("Try again").click();
    await says("The plugin is older than this page.");
    answer = null;
    await button("Try again").first().click();
    await says("All is well");
  },

  // Gentle on other pages and while nobody looks.
  async gentle() {
    await go("/");
    await page.locator(".plexsync-nav").waitFor();
    await page.waitForTimeout(3000);
    assert.deepEqual(asked, ["overview"]);
    await page.keyboard.press("Tab"); // Home
    await page.keyboard.press("Tab"); // the button
    await page.keyboard.press("Enter");
    await says("All is well");
    await page.evaluate(() => Object.defineProperty(document, "hidden", { configurable: true, get: () => true }));
    await page.waitForTimeout(500);
    asked.length = 0;
    await page.waitForTimeout(12000);
    assert.deepEqual(asked, [], "it asks while the tab is hidden");
    await does("edit");
    await page.evaluate(() => {
      delete document.hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await until("asked again", () => asked.includes("overview"));
    // Figures move while a drain runs, without a click.
    await until("the run is shown", async () => (await page.locator("table tbody tr").count()) > 0);
  },

  // A phone.
  async phone() {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const [path, text] of [
      ["/plexsync", "All is well"],
      ["/plexsync?tab=queue", "Nothing is queued."],
      ["/plexsync?tab=dead", "nothing needs you"],
      ["/plexsync?tab=history", "Mean time"],
      ["/plexsync?tab=preview", "That is all."],
      ["/settings", "Open PlexSync"],
    ]) {
      await go(path);
      await says(text);
      await accessible(path);
      await shows("phone" + path.replace(/\W+/g, "-"));
    }
  },
};

await flows[flow]();
await browser.close();

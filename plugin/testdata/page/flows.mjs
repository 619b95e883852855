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
// press is a click of a person, counted.
let presses = 0;
const press = async (locator) => {
  presses++;
  await locator.click();
};
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
  await page.mouse.move(0, 0);
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

// signIn clicks on the button and says yes on Plex's page, which is simulated.
const allow = async (plex) => {
  await press(plex.getByRole("button", { name: "Allow" }));
  await says("You can close this window.", plex);
};
const signIn = async (on = page, name = "Sign in with Plex") => {
  const tab = on.waitForEvent("popup");
  await press(on.getByRole("button", { name, exact: true }));
  const plex = await tab;
  await plex.waitForURL(/\/auth#/);
  assert.equal(await plex.evaluate(() => window.opener), null);
  return plex;
};
// secretless fails if the page, or what the browser keeps, has a token or a code.
const secretless = async () => {
  const all = await page.evaluate(() =>
    [document.documentElement.outerHTML, location.href, ...Object.values({ ...localStorage, ...sessionStorage })].join(
      "\n",
    ),
  );
  assert.doesNotMatch(all, /SECRET-|MARKED-code/);
};

const flows = {
  // From nothing to the first synced scene, in at most twelve clicks, Plex's page included.
  async signin() {
    await go("/");
    const began = Date.now();
    await press(page.locator(".plexsync-nav"));
    await button("Sign in with Plex").waitFor();
    assert.equal(await page.getByLabel("Plex token").count(), 0); // by hand is a click away
    await shows("signin");
    await accessible("sign-in");
    const plex = await signIn();
    await says("Waiting for you to sign in on Plex's page.");
    await says("You have until");
    await shows("signin-waits");
    await accessible("sign-in, waiting");
    await does("check-unsaved");
    await allow(plex);
    await says("You are signed in."); // without a click
    const servers = page.locator(".plexsync-server");
    assert.equal(await servers.count(), 3);
    assert.ok(await servers.filter({ hasText: "Home" }).getByRole("radio").first().isChecked());
    await says("encrypted, certificate verified");
    await says("Shared with you by Ann: only its owner can edit metadata.");
    await says("Does not answer from Stash (tried 1 address).");
    await says("publish its port 32400");
    assert.ok(await servers.filter({ hasText: "Ann's" }).getByRole("radio").isDisabled());
    await shows("signin-servers");
    await accessible("sign-in, servers");
    await page.getByText("What was tried").click();
    await says("belongs to another Plex server");
    await does("check-unsaved");
    await secretless();
    await press(button("Use Home"));
    await says("Choose the libraries");
    await secretless();
    await press(page.getByLabel("Others (/others)")); // off
    await press(button("Use this library"));
    await says("3 of 3 sample files match with the rule below.");
    await press(button("Use this mapping"));
    await page.locator(".plexsync-item").nth(2).waitFor();
    await press(button("Sync all scenes").last());
    await says("3 of 3 scenes are in sync");
    const took = Date.now() - began;
    assert.ok(presses <= 12, presses + " clicks");
    assert.ok(took < 120000, took + " ms");
    await does("check-settings");
    await secretless();
    // In the form, another address of the same server; what else was changed stays.
    await go("/settings");
    await page.getByLabel("Labels", { exact: true }).fill("Stash");
    await allow(await signIn(page, "Sign in again"));
    await says("used now");
    await button("1 other address answers").click();
    await page.getByLabel(new RegExp("^" + process.env.PLEX)).check();
    await says("local network, not encrypted");
    await shows("signin-form");
    await accessible("sign-in, form");
    await button("Use Home").click();
    await says("Signed in. Home at " + process.env.PLEX + " is saved in the settings.");
    await says("Connected to Home");
    await page.getByLabel("Films (/media)").waitFor(); // on to libraries and paths
    await says("Of 3 sample files, Plex has 3 at the expected path");
    assert.equal(await page.getByLabel("Plex address").inputValue(), process.env.PLEX);
    assert.equal(await page.getByLabel("Labels", { exact: true }).inputValue(), "Stash");
    await button("Save").click();
    await says("Settings saved");
    await does("check-form");
    await secretless();
  },

  // Every way in which a sign-in does not go on.
  async signinends() {
    await go("/plexsync");
    // plex.tv is out.
    await does("out");
    const opened = page.waitForEvent("popup");
    await button("Sign in with Plex").click();
    await says("it answered 503");
    const blank = await opened;
    await until("no empty tab is left", () => blank.isClosed());
    await accessible("sign-in, no plex.tv");
    // Canceled: it asks no more.
    let plex = await signIn();
    await says("Waiting for you");
    await button("Cancel").click();
    await button("Sign in with Plex").waitFor();
    await page.waitForTimeout(3000);
    asked.length = 0;
    await page.waitForTimeout(3000);
    assert.ok(!asked.includes("sign_in_poll"), asked.join());
    await secretless();
    // Trouble meanwhile is said, and passes; a reload does not end it.
    plex = await signIn();
    await does("trouble");
    await says("it answered 500");
    await accessible("sign-in, trouble");
    await page.reload();
    await says("Waiting for you");
    await allow(plex);
    await says("You are signed in.");
    await button("Cancel").click();
    await button("Sign in with Plex").waitFor();
    // Expired.
    await does("short");
    await signIn();
    await says("has expired");
    await shows("signin-expired");
    await accessible("sign-in, expired");
    await does("long");
    // Blocked: a link does it.
    await page.evaluate(() => (window.open = () => null));
    await button("Sign in with Plex").click();
    await says("Your browser blocked the new tab.");
    await shows("signin-blocked");
    await accessible("sign-in, blocked");
    const tab = context.waitForEvent("page");
    await page.getByRole("link", { name: "Open Plex's sign-in page" }).click();
    await allow(await tab);
    await says("You are signed in.");
    // No server can be used.
    await does("none");
    await button("Check again").click();
    await says("None of your servers can be used yet: see why below each.");
    await says("If Plex runs in Docker");
    assert.equal(await button("Use Home").count(), 0);
    await shows("signin-none");
    await accessible("sign-in, no server");
    await does("back");
    await button("Check again").click();
    await button("Use Home").waitFor();
    // A server that went away since.
    await does("down");
    await button("Use Home").click();
    await says("The address https://localhost");
    await does("check-unsaved");
    await does("up");
    await button("Use Home").click();
    await says("Choose the libraries");
  },

  // Two tabs at once, each with a code of its own.
  async signintabs() {
    await go("/plexsync");
    const other = await context.newPage();
    await other.goto(address + "/settings");
    await other.getByRole("button", { name: "Show all settings" }).click();
    const first = await signIn();
    const second = await signIn(other);
    await allow(second);
    await says("You are signed in.", other);
    await says("Waiting for you"); // this one goes on
    await allow(first);
    await says("You are signed in.");
    await button("Use Home").click();
    await says("Choose the libraries");
    await other.getByRole("button", { name: "Use Home", exact: true }).click();
    await says("Signed in. Home at https://localhost", other);
    await does("check-settings");
  },

  // A token that was revoked: the page says so, with the button, and what waited goes on.
  async signinagain() {
    await go("/plexsync");
    await says("Plex rejected the token.");
    await says("Sign in again below");
    await shows("signin-again");
    await accessible("sign-in again");
    await button("More actions").click();
    await button("Health check").click();
    await says("Health check: action needed");
    await says("sign in again on PlexSync's page");
    await page.getByRole("link", { name: "Sign in again" }).waitFor();
    const plex = await signIn(page, "Sign in again");
    await allow(plex);
    await says("used now");
    await button("Use Home").click();
    await says("1 of 1 scene is in sync");
    await page.locator(".plexsync-nav.plexsync-ok").waitFor();
    await does("check-title");
    await secretless();
  },

  // On a phone.
  async signinphone() {
    await page.setViewportSize({ width: 400, height: 800 });
    await go("/plexsync");
    await accessible("sign-in on a phone");
    await shows("phone-signin");
    const plex = await signIn();
    await says("Waiting for you");
    await shows("phone-signin-waits");
    await accessible("waiting on a phone");
    await allow(plex);
    await says("You are signed in.");
    await page.getByText("What was tried").click();
    await button("1 other address answers").click();
    await page.getByRole("radio", { name: /^http:/ }).waitFor();
    await shows("phone-signin-servers");
    await accessible("servers on a phone");
    await button("Use Home").click();
    await says("Choose the libraries");
    await accessible("libraries on a phone");
  },

  // From a fresh Stash to the first synced scene, in at most twelve clicks; left and come
  // back to in between.
  async setup() {
    await go("/");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    assert.match(await page.locator(".plexsync-nav").getAttribute("aria-label"), /PlexSync is not set up/);
    const began = Date.now();
    await press(page.locator(".plexsync-nav"));
    await says("0 of 3 scenes are in sync");
    await says("Next: finish the set-up below");
    assert.equal(await page.title(), "PlexSync | Stash");
    await shows("empty");
    await accessible("empty");
    await press(button("Enter an address and token instead"));
    await press(page.getByLabel("Plex address"));
    await page.keyboard.type("ftp://plex");
    await page.keyboard.press("Enter"); // not a click, and wrong
    await says("begins with ftp://");
    await page.getByLabel("Plex address").fill(process.env.PLEX);
    await press(page.getByLabel("Plex token"));
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await says("Plex rejected the token.");
    await accessible("set-up, refused");
    await page.getByLabel("Plex token").fill(process.env.TOKEN);
    await press(button("Connect"));
    await says("Choose the libraries");
    await shows("setup-libraries");
    await accessible("set-up, libraries");
    await page.reload(); // one can leave and come back
    await says("Choose the libraries");
    await press(page.getByLabel("Others (/others)")); // off
    await press(button("Use this library"));
    await says("3 of 3 sample files match with the rule below.");
    await says("/data/film000.mp4");
    assert.equal(await page.locator(".plexsync-files .plexsync-tick").count(), 3);
    await shows("setup-paths");
    await accessible("set-up, paths");
    await press(button("Use this mapping"));
    await says("This is what would change for some of your own scenes.");
    await says("Film 1");
    await page.locator(".plexsync-item").nth(2).waitFor();
    await says("PlexSync is paused until you do.");
    await page.waitForTimeout(3000); // an edit waits, and so do the processes that would write it
    await shows("setup-preview");
    await accessible("set-up, preview");
    await does("check-untouched");
    await press(button("Sync all scenes").last());
    await says("3 of 3 scenes are in sync");
    const took = Date.now() - began;
    assert.ok(presses <= 12, presses + " clicks");
    assert.ok(took < 120000, took + " ms");
    await page.locator(".plexsync-nav.plexsync-ok").waitFor();
    await says("Recent activity");
    await does("check-settings");
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("SECRET")), false);
    await shows("overview");
    await accessible("overview");
  },

  // The form, on Stash's page and on ours.
  async settings() {
    await go("/settings");
    await says("Setting of another plugin");
    await says("Set up PlexSync"); // until something was synced
    await button("Sign in with Plex").waitFor();
    await shows("panel");
    await accessible("panel");
    await button("Show all settings").click();
    await page.getByLabel("Plex address").fill("ftp://plex");
    await says("begins with ftp://, but must begin with http:// or https://");
    assert.ok(await button("Save").isEnabled());
    await button("Save").click();
    await says("Not saved.");
    await page.getByLabel("Plex address").fill(process.env.PLEX);
    // A wrong token is tested before it is saved.
    await page.getByLabel("Plex token").fill("wrong");
    await button("Save").click();
    await says("Not saved, because Plex cannot be used with these settings.");
    await says("Plex rejected the token.");
    await button("Save anyway").waitFor();
    await accessible("settings, refused");
    await page.getByLabel("Plex token").fill(process.env.TOKEN);
    await button("Test the connection").click();
    await says("Connected to Simplex");
    await says("Of 3 sample files, Plex has 0 at the expected path, 3 at another path");
    await page.getByLabel("Films (/media)").waitFor();
    await page.getByLabel("Others (/others)").click(); // off
    await button("Add rule /data => /media").first().click();
    await says("Of 3 sample files, Plex has 3 at the expected path"); // without another click
    assert.equal(await page.getByLabel("Path rules").inputValue(), "/data => /media");
    await page.getByLabel("Rating", { exact: true }).check();
    await shows("settings");
    await accessible("settings");
    // Whoever leaves is asked.
    const asked = new Promise((answer) =>
      page.once("dialog", async (d) => {
        answer(d.message());
        await d.dismiss();
      }),
    );
    await page.getByRole("link", { name: "Open PlexSync" }).click();
    assert.match(await asked, /unsaved PlexSync settings/);
    await says("Setting of another plugin"); // still here
    const bar = await page.locator(".plexsync-savebar").boundingBox();
    assert.ok(bar.y + bar.height <= 801, "Save is out of view");
    await button("Save").click();
    await says("Settings saved");
    await does("check-settings");
    assert.equal(await page.getByLabel("Plex token").inputValue(), "", "the token is shown again");
    assert.ok(!(await page.content()).includes(process.env.TOKEN), "the token is on the page");
    await page.reload();
    await says("Match the folders").catch(() => says("Choose the libraries"));
    await button("Show all settings").click();
    await says("Open PlexSync");
    assert.equal(await page.getByLabel("Plex address").inputValue(), process.env.PLEX);
    assert.ok(await page.getByLabel("Rating", { exact: true }).isChecked());
    await page.getByRole("link", { name: "Open PlexSync" }).click();
    await says("Connected to Simplex");
    // A link leads to a field.
    await go("/plexsync?tab=settings&field=excludeTags");
    await until("the field has the focus", () =>
      page.evaluate(() => document.activeElement && document.activeElement.id === "plexsync-excludeTags"),
    );
    assert.equal(await page.title(), "Settings | PlexSync | Stash");
    await accessible("settings tab");
    // Another address wants its token, and the message blocks.
    await page.getByLabel("Plex address").fill("http://127.0.0.2:1");
    await button("Save").click();
    await says("Not saved. Plex token: enter the token for this address");
    assert.equal(await button("Save anyway").count(), 0);
    await button("Discard changes").click();
    await until(
      "what was saved is there again",
      async () => (await page.getByLabel("Plex address").inputValue()) === process.env.PLEX,
    );
    // Only what was changed changes.
    await tab("Overview");
    await button("Pause").click();
    await says("Paused: edits are queued");
    await does("check-paused");
    await button("Resume").click();
    await says("Resumed");
    await does("check-settings");
  },

  // Of whom nothing was ever synced, the page does not say that all is well.
  async fresh() {
    await go("/plexsync");
    await says("0 of 39 scenes are in sync");
    await says("39 not checked yet");
    await says("Next: finish the set-up below");
    assert.equal(await page.locator(".plexsync-nav.plexsync-ok").count(), 0);
    await shows("fresh");
    await does("sync");
    await page.locator(".plexsync-nav.plexsync-ok, .plexsync-nav.plexsync-waiting").waitFor();
    // Five have no metadata, two are not in Plex.
    await says("32 of 39 scenes are in sync");
    await says("5 without metadata");
    await says("2 not in Plex");
    await says("Compared with Plex");
    const sum = await page
      .locator(".plexsync-legend b")
      .evaluateAll((all) => all.reduce((n, b) => n + Number(b.textContent), 0));
    assert.equal(sum, 39);
    assert.match(await page.locator(".plexsync-nav").getAttribute("title"), /32 of 39 scenes are in sync/);
    await shows("coverage");
    await accessible("coverage");
    // Both places tell the same numbers.
    await page.getByRole("link", { name: "2 not in Plex" }).click();
    await says("2 scenes are not in Plex");
    await says("PlexSync looks again for these");
    await until("both are listed", async () => (await page.locator("tbody tr").count()) === 2);
    await shows("not-in-plex");
    await accessible("not in Plex");
    await tab("Left out");
    await says("5 without metadata");
    await shows("left-out");
    await accessible("left out");
    await does("status");
  },

  // An outage, seen from the page.
  async outage() {
    await go("/plexsync");
    const first = await page.locator(".plexsync-outage").innerText();
    assert.match(first, /^Plex (refused the connection|closed the connection|could not be reached)/);
    assert.match(first, /3 edits wait, and nothing is lost/);
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    await says("still going on");
    await shows("outage");
    await accessible("outage");
    await tab("Queue");
    await page.locator("tbody tr").nth(2).waitFor();
    await says("Film 1");
    await accessible("queue");
    await does("up");
    await tab("Overview");
    await button("More actions").click();
    await button("Process queue now").click();
    await says("3 of 3 scenes are in sync");
    await page.locator(".plexsync-nav.plexsync-ok").waitFor();
    await tab("History");
    await says("last 7 days");
    await says("1 outage");
    await says("On average an outage took");
    await says("No outages on record").then(
      () => assert.fail("the outage is not listed"),
      () => {},
    );
    await shows("history");
    await accessible("history");
    await page.reload(); // survives
    await says("last 30 days");
  },

  // A Plex that answers 503, with few edits: it leads from the first failure, and says so.
  async answered() {
    await go("/plexsync");
    await says("Plex answered with error 503.");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    assert.match(await page.locator(".plexsync-nav").getAttribute("title"), /Plex answered with error 503/);
    await tab("Needs attention"); // with a failed item about, the outage still leads
    await says("1 row");
    assert.match(await page.locator(".plexsync-nav").getAttribute("title"), /Plex answered with error 503/);
    await does("token");
    await go("/plexsync");
    await says("Plex rejected the token");
    await button("Sign in again").waitFor();
    await page.getByRole("link", { name: "change the token" }).click();
    await until("the field has the focus", () =>
      page.evaluate(() => document.activeElement && document.activeElement.id === "plexsync-plexToken"),
    );
  },

  // A drain at work: figures move without a click.
  async busy() {
    await go("/plexsync");
    await says("0 of 80 scenes are in sync");
    await does("start");
    await page.locator(".plexsync-nav.plexsync-busy").waitFor();
    const bar = page.getByRole("progressbar");
    const done = async () => Number((await bar.getAttribute("aria-valuenow").catch(() => "0")) || 0);
    await until("it is under way", async () => (await done()) > 5);
    await says("per second");
    await says("left");
    await shows("busy");
    await accessible("busy");
    const before = await done();
    await until("it is further", async () => (await done()) > before);
    const synced = async () => Number((await page.locator(".plexsync-big").innerText()).split(" ")[0]);
    await until("some are in sync", async () => (await synced()) > 0);
    await tab("Queue");
    await says("being processed");
    await tab("Overview");
    await says("80 of 80 scenes are in sync");
    await page.locator(".plexsync-nav.plexsync-ok").waitFor();
    await page
      .getByText(/8\d updated/)
      .first()
      .waitFor();
    await does("check-done");
  },

  // A scene's own tab: one state, in one sentence.
  async scene() {
    const state = (text) => says(text, page.locator(".plexsync-headline"));
    await go("/scenes/1");
    await tab("Plex");
    await state("In Plex, but not up to date.");
    assert.equal(await page.locator(".plexsync-headline").count(), 1);
    await says("New title");
    await says("Open in Plex");
    await shows("scene");
    await accessible("scene");
    await button("How it was matched").click();
    await says("is looked for in Plex as");
    await button("Sync now").click();
    await says("Queued: this scene is synced now");
    await state("In sync: Plex shows what Stash has.");
    await does("check-title");
    await go("/scenes/2");
    await tab("Plex");
    await state("Plex does not have this file.");
    await does("arrives");
    await button("Check Plex again").click(); // asks Plex anew
    await state("In Plex, but not up to date.");
    await go("/scenes/3");
    await tab("Plex");
    await state("In Plex, but left out.");
    await says("which excludeTags names");
    await go("/scenes/4");
    await tab("Plex");
    await state("In Plex, nothing to write yet.");
    await says("The scene has no metadata in Stash.");
    await accessible("scene without metadata");
    await go("/scenes/5");
    await tab("Plex");
    await state("Several items in Plex match this scene equally well.");
    await says("The items that match");
    assert.equal(await page.locator(".plexsync-scene li", { hasText: "twin.mp4" }).count(), 2);
    await shows("scene-ambiguous");
    await accessible("scene that several match");
    await page.getByRole("link", { name: "edit the path rules" }).waitFor();
    await button("Map the folder: /other => /media/one").waitFor();
    await button("Use this item").last().click();
    await state("In sync: Plex shows what Stash has.");
    await does("check-twin");
  },

  // 5,000 failed items: searched, sorted, retried, dropped.
  async letters() {
    await go("/plexsync?tab=dead");
    await says("5,000 rows");
    await says("Page 1 of 100");
    await page.locator(".plexsync-nav", { hasText: "99+" }).waitFor();
    await shows("letters");
    await accessible("letters");
    await button("Next").click();
    await says("Page 2 of 100");
    const search = page.getByLabel("Search in Needs attention");
    await search.fill("title 4999");
    await says("1 row");
    await says("Title 4999");
    await search.fill("100%");
    await says('No results for "100%".');
    await search.fill("");
    await says("5,000 rows");
    const first = () => page.locator("tbody tr").first().innerText();
    await page.getByRole("button", { name: "Scene" }).click();
    await until("sorted by title", async () => (await first()).includes("Title 1\n"));
    assert.equal(await page.getByRole("columnheader", { name: "Scene" }).getAttribute("aria-sort"), "ascending");
    // Some, with a question that can be answered by the keyboard.
    await page.getByLabel("Select scene 1", { exact: true }).check();
    await page.getByLabel("Select scene 10", { exact: true }).check();
    await button("Drop 2 selected").click();
    await says("Drop 2 failed items?");
    await accessible("question");
    await page.keyboard.press("Escape");
    await page.getByText("Drop 2 failed items?").waitFor({ state: "detached" });
    await button("Drop 2 selected").click();
    for (let i = 0; i < 4 && !(await page.evaluate(() => document.activeElement.textContent === "Drop")); i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await says("Dropping 2 failed items in 10 seconds.");
    await accessible("undo");
    await says("2 items were dropped");
    await says("4,998 rows");
    // Taken back within ten seconds.
    asked.length = 0;
    await page.getByLabel("Select scene 100", { exact: true }).check();
    await button("Drop 1 selected").click();
    await button("Drop").click();
    await button("Undo").click();
    await page.getByText("Dropping 1 failed item").waitFor({ state: "detached" });
    await page.waitForTimeout(11000);
    assert.ok(!asked.includes("dlq_drop"), asked.join());
    assert.equal(await button("Retry selected").isDisabled(), true); // and not "Retry 0 selected"
    await page.getByLabel("Select scene 100", { exact: true }).check();
    await button("Retry 1 selected").click();
    await says("1 scene was queued again");
    await does("check-retried");
    // All of a kind; the question names the number.
    await page.getByLabel("Kind", { exact: true }).selectOption("rejected");
    await says("2,498 rows");
    await button("Drop all 2,498").click();
    await says("Drop 2,498 failed items of the kind");
    await button("Drop").click();
    await says("2,498 items were dropped");
    await does("check-dropped");
    await page.getByLabel("Kind", { exact: true }).selectOption("");
    await button("Retry all 2,499").click();
    await says("2,499 scenes were queued again"); // and not what Plex lacks
    await tab("Not in Plex");
    await says("They sync by themselves");
    await accessible("not in Plex");
    // Joined items are listed, with what to do.
    await go("/plexsync?tab=dead&class=joined");
    await says("Shares an item with another scene.");
    await says("Split the item in Plex");
    await page.getByText("edit item: answered 400").first().waitFor({ state: "hidden" }); // folded
    await accessible("joined");
  },

  async preview() {
    await go("/plexsync?tab=preview");
    await says("100 items would change");
    await button("Load more").click();
    await says("End of list.");
    await says("130 items would change");
    await says("130 scenes checked");
    assert.equal(await page.locator(".plexsync-item").count(), 130);
    await says("film000");
    await says("Film 0");
    await shows("preview");
    await accessible("preview");
    await page.getByLabel("Field", { exact: true }).selectOption("title");
    assert.equal(await page.locator(".plexsync-item").count(), 130);
    await does("check-untouched");
    await button("Sync this scene").first().click();
    await says("Queued: this scene is synced now");
    await does("check-one");
    await button("Sync all scenes").last().click();
    await says("Syncing all scenes");
    await does("check-all");
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
      await says("1 item would change");
      await says("Film 1");
      await says("The poster would become the cover of the scene.");
      assert.equal(await page.locator(".plexsync-item").count(), 1);
    }
    // Both pictures, side by side.
    const pictures = page.locator(".plexsync-posters img");
    await pictures.nth(1).waitFor();
    assert.match(await pictures.nth(0).getAttribute("src"), /^data:image\/png;base64,/);
    assert.equal(await pictures.nth(1).getAttribute("src"), "/scene/2/screenshot");
    await until("both are drawn", () =>
      pictures.evaluateAll((all) => all.every((i) => i.complete && i.naturalWidth > 0)),
    );
    await shows("poster");
    await accessible("poster");
    await go("/scenes/2");
    await tab("Plex");
    await says("The poster would become the cover of the scene.");
  },

  // Answers that no part of ours can show: each part says so in its place, and whatever is
  // Stash's or another plugin's stays.
  async broken() {
    forgiven = true;
    const fails = "could not be shown because of a bug in PlexSync";
    let spoil = {
      overview: (data) => (data.coverage = null),
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
    await says(fails);
    await shows("broken");
    await accessible("broken");
    await tab("Needs attention");
    await says('The tab "Needs attention" ' + fails);
    await tab("History");
    await says("The plot " + fails);
    await says("last 7 days"); // a card beside it
    await tab("Queue");
    await says("The queue is empty.").catch(() => says('The tab "Queue" ' + fails));
    await tab("Preview");
    await says("3 items would change");
    await says("Scene 2 " + fails);
    await says("film002");
    await says("Film 2");
    await go("/settings");
    await says("Setting of another plugin");
    await says("The form " + fails);
    await says("Plex address"); // Stash's own list
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
    await says("In Plex, but not up to date.");
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
      assert.equal(await page.locator("img:not(.plexsync-poster)").count(), 0);
      for (const src of await page.locator("img").evaluateAll((all) => all.map((i) => i.getAttribute("src"))))
        assert.match(src, /^(\/scene\/\d+\/screenshot|data:image\/png;base64,[\w+/=]+)$/);
    }
    assert.equal(await page.evaluate(() => window.hacked), undefined);
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
    await says("PlexSync stopped before it answered.");
    await page.locator(".plexsync-nav.plexsync-alarm").waitFor();
    await shows("failing");
    await accessible("failing");
    await page.getByText("exit status 2").first().waitFor({ state: "hidden" }); // folded away
    await page.getByText("Technical details").click();
    await says("exit status 2");
    answer = () => ({ data: { runPluginOperation: { queued: 0 } } });
    await button("Try again").click();
    await says("The plugin is older than this page.");
    answer = null;
    await button("Try again").first().click();
    await says("0 of 0 scenes are in sync");
  },

  // Gentle on other pages and while nobody looks.
  async gentle() {
    await go("/");
    await page.locator(".plexsync-nav").waitFor();
    await page.waitForTimeout(3000);
    assert.deepEqual(asked, ["overview"]);
    asked.length = 0;
    await go("/plexsync"); // the button, the head and the tab ask once together
    await says("scene is in sync");
    await page.waitForTimeout(1500);
    assert.equal(asked.filter((m) => m === "overview").length, 1, asked.join());
    await page.keyboard.press("Tab"); // Home
    await page.keyboard.press("Tab"); // the button
    await page.keyboard.press("Enter");
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
    await says("1 of 1 scene is in sync");
    await says("1 updated");
  },

  // A hidden tab asks nothing at all.
  async hidden() {
    await page.addInitScript(() => Object.defineProperty(document, "hidden", { configurable: true, get: () => true }));
    await go("/");
    await page.locator(".plexsync-nav").waitFor();
    await page.waitForTimeout(2000);
    assert.deepEqual(asked, []);
  },

  // A phone: nothing is wider than the screen, and rows are cards.
  async phone() {
    await page.setViewportSize({ width: 400, height: 800 });
    for (const [path, text] of [
      ["/plexsync", "Recent activity"],
      ["/plexsync?tab=queue", "The queue is empty."],
      ["/plexsync?tab=dead", "Title 1"],
      ["/plexsync?tab=missing", "Nothing is missing."],
      ["/plexsync?tab=left", "Every scene in Stash is synced."],
      ["/plexsync?tab=history", "last 7 days"],
      ["/plexsync?tab=preview", "Everything is up to date."],
      ["/plexsync?tab=settings", "Open PlexSync"],
      ["/settings", "Open PlexSync"],
      ["/scenes/1", "Details of the scene"],
    ]) {
      await go(path);
      await says(text);
      await accessible(path);
      await shows("phone" + path.replace(/\W+/g, "-"));
      if (path.endsWith("dead")) {
        const row = await page.locator("tbody tr").first().boundingBox();
        const why = await page.locator("tbody td.plexsync-why").first().boundingBox();
        assert.ok(why.width > row.width * 0.8, "the text is " + why.width + " wide in a row of " + row.width);
      }
    }
  },

  // In Stash's light colors, and for whoever wants no motion.
  async light() {
    await page.emulateMedia({ reducedMotion: "reduce" });
    for (const path of ["/plexsync", "/plexsync?tab=dead", "/plexsync?tab=history", "/plexsync?tab=settings"]) {
      await go(path);
      await page.locator(".plexsync").first().waitFor();
      await page.evaluate(() => (document.body.className = "light"));
      await page.waitForTimeout(1500);
      await accessible("light " + path);
      await shows("light" + path.replace(/\W+/g, "-"));
    }
  },
};

await flows[flow]();
await browser.close();

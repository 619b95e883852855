// The first run and every screen in Firefox, as Debian and others ship it: playwright drives
// only its own, so this goes over WebDriver BiDi.
//
//   node firefox.mjs first ADDRESS FOLDER
//
// As flows.mjs, which says more in Chromium.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const [, address, folder] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.env.FIREFOX,
  headless: true,
  extraPrefsFirefox: { "intl.accept_languages": "en-GB" },
});
const page = await browser.newPage();
page.setDefaultTimeout(60000);
await page.setViewport({ width: 1280, height: 800 });
const failed = [];
page.on("pageerror", (e) => failed.push(String(e)));
page.on("console", (m) => m.type() === "error" && failed.push(m.text()));

const go = (path) => page.goto(address + path);
// says waits for a text that is shown, whatever element it is split over.
const says = (text, on = page) =>
  on
    .waitForFunction((t) => document.body.innerText.includes(t), {}, text)
    .catch(async (e) => {
      throw new Error("not said: " + text + "\n" + (await on.evaluate(() => document.body.innerText)), { cause: e });
    });
// press clicks the last button, link or radio with this name.
const press = async (name, on = page) => {
  const one = await on.waitForFunction(
    (n) =>
      [...document.querySelectorAll("button, a, label")]
        .filter(
          (x) => x.offsetParent && !x.disabled && (x.innerText.trim() === n || x.getAttribute("aria-label") === n),
        )
        .pop(),
    {},
    name,
  );
  await one.asElement().click();
};
const accessible = async (name) => {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () =>
    (await window.axe.run(".plexsync, .plexsync-nav", { resultTypes: ["violations"] })).violations.map(
      (v) => v.id + ": " + v.nodes[0].html + " " + v.nodes[0].failureSummary,
    ),
  );
  assert.deepEqual(violations, [], name);
  const [inner, all] = await page.evaluate(() => [window.innerWidth, document.documentElement.scrollWidth]);
  assert.ok(all <= inner, `${name} is ${all} wide on a screen of ${inner}`);
  await page.screenshot({ path: join(folder, "firefox-" + name.replace(/\W+/g, "-") + ".png"), fullPage: true });
};

try {
  // From nothing to the first synced scene, by the button.
  await go("/");
  await (await page.waitForSelector(".plexsync-nav")).click();
  await says("Set up PlexSync");
  await accessible("sign-in");
  const opened = new Promise((done) => page.once("popup", done));
  await press("Sign in with Plex");
  const plex = await opened;
  await says("wants to use your account.", plex);
  await press("Allow", plex);
  await says("You can close this window.", plex);
  await plex.close();
  await page.bringToFront();
  await says("You are signed in.");
  await accessible("servers");
  await press("Use Home");
  await says("Choose the libraries");
  await accessible("libraries");
  await press("Others (/others)");
  await press("Use this library");
  await says("3 of 3 sample files match with the rule below.");
  await accessible("paths");
  await press("Use this mapping");
  await says("This is what would change for some of your own scenes.");
  await says("Film 1");
  await accessible("check");
  await press("Sync all scenes");
  await says("3 of 3 scenes are in sync");
  assert.equal((await fetch(address + "/do/check-settings", { method: "POST" })).status, 200);

  // Every screen, wide and on a phone.
  for (const width of [1280, 400]) {
    await page.setViewport({ width, height: 800 });
    for (const [path, text] of [
      ["/plexsync", "Recent activity"],
      ["/plexsync?tab=queue", "The queue is empty."],
      ["/plexsync?tab=dead", "Nothing needs your attention."],
      ["/plexsync?tab=missing", "Nothing is missing."],
      ["/plexsync?tab=left", "Every scene in Stash is synced."],
      ["/plexsync?tab=history", "last 7 days"],
      ["/plexsync?tab=preview", "Everything is up to date."],
      ["/plexsync?tab=settings", "Open PlexSync"],
      ["/settings", "Open PlexSync"],
    ]) {
      await go(path);
      await says(text);
      await accessible(path + " " + width);
    }
    await go("/scenes/1");
    await press("Plex");
    await says("In sync: Plex shows what Stash has.");
    await accessible("scene " + width);
  }
  assert.deepEqual(failed, []);
} finally {
  await browser.close();
}

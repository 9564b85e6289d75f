/** What the page takes from its server, and whom it talks to. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MicroVm } from "../../src/index.ts";
import { VIEWS } from "../../web/views.ts";
import { type Site, serveBuiltPage, typeInTerminal, untilReady, untilTerminal } from "./harness.ts";

const BUILT = fileURLToPath(new URL("../../node_modules/.cache/page-tests/", import.meta.url));
let site: Site;

beforeAll(async () => {
  site = await serveBuiltPage();
});

afterAll(() => site?.close());

describe("the built page", () => {
  it("names a hash for every module and style sheet that it loads", () => {
    const html = readFileSync(`${BUILT}index.html`, "utf8");
    const map = JSON.parse(/<script type="importmap">(.*?)<\/script>/.exec(html)?.[1] ?? "{}");
    const modules = readdirSync(`${BUILT}assets`).filter((file) => file.endsWith(".js"));
    expect(Object.keys(map.integrity).sort()).toEqual(modules.map((file) => `./assets/${file}`).sort());
    const loaded =
      html.match(/<(?:script type="module"|link rel="(?:stylesheet|modulepreload)")[^>]*>/g) ?? [];
    expect(loaded.length).toBeGreaterThan(1);
    for (const tag of loaded) expect(tag).toMatch(/integrity="sha256-[A-Za-z0-9+/]{43}="/);
    expect(html).not.toContain("unsafe-inline");
  });

  it("does not run a module that was changed on its way, and says so", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    await page.route("**/doorbell-inspector-*.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `${await response.text()}\nwindow.changed = true;` });
    });
    await page.goto(site.url);
    await untilReady(page);
    await page.getByRole("tab", { name: "Inspector" }).click();
    await page
      .getByRole("alert")
      .getByText(/Inspector. could not be loaded/)
      .waitFor();
    expect(await page.evaluate(() => "changed" in window)).toBe(false);
    await close();
  });

  it("opens no address that the guest prints as a link", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    const asked: string[] = [];
    page.on("dialog", (dialog) => {
      asked.push(dialog.message());
      void dialog.accept();
    });
    page.context().on("page", () => asked.push("a window"));
    await typeInTerminal(
      page,
      "clear; printf '\\033]8;;http://192.0.2.1/\\007a-link-%s\\033]8;;\\007\\n' here\n",
    );
    await untilTerminal(page, /^a-link-here$/m);
    const link = page.locator(".xterm-rows").getByText("a-link-here").last();
    const box = await link.boundingBox();
    if (box === null) throw new Error("The link is not in view.");
    const [x, y] = [box.x + 20, box.y + box.height / 2] as const;
    await page.mouse.move(x, y);
    // The terminal has seen that it is one.
    await page.locator(".xterm-cursor-pointer").waitFor();
    await page.mouse.click(x, y);
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
    expect(asked).toEqual([]);
    expect(complaints).toEqual([]);
    await close();
  });

  it("says that the guest reaches nothing outside, and neither the guest nor any view does", async () => {
    const { page, complaints, close } = await site.open();
    await untilReady(page);
    await page.getByText("The guest reaches nothing outside this page.").waitFor();
    const statuses = await page.evaluate(async () => {
      const { doorbell } = globalThis as unknown as { doorbell: MicroVm };
      const commands = ["ping -c 1 10.0.2.2", "wget -T 3 -qO- http://192.0.2.1/"];
      return Promise.all(commands.map((command) => doorbell.exec(command)));
    });
    expect(statuses[0]).toBe(0);
    expect(statuses[1]).not.toBe(0);
    for (const { title } of VIEWS) await page.getByRole("tab", { name: title }).click();
    await page.waitForLoadState("networkidle");
    expect(complaints).toEqual([]);
    await close();
  });
});

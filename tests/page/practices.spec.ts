/** What a page on the web owes its visitors beside axe's rules (access.spec.ts) and its figures. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VIEWS } from "../../web/views.ts";
import { type OpenPage, type Site, serveBuiltPage, untilReady } from "./harness.ts";

let site: Site;
let opened: OpenPage;
let page: Page;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({ reducedMotion: "reduce" });
  page = opened.page;
  await untilReady(page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

describe("the page", () => {
  it("says what it is: document type, language, character set, title, description, viewport, icon", async () => {
    const head = await page.evaluate(() => {
      const meta = (name: string) => document.querySelector(`meta[name=${name}]`)?.getAttribute("content");
      return {
        doctype: document.doctype?.name,
        mode: document.compatMode,
        lang: document.documentElement.lang,
        charset: document.characterSet,
        title: document.title,
        description: meta("description") ?? "",
        viewport: meta("viewport"),
        icon: document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href ?? "",
      };
    });
    expect(head).toMatchObject({ doctype: "html", mode: "CSS1Compat", lang: "en", charset: "UTF-8" });
    expect(head.title).toMatch(/Doorbell/);
    expect(head.description.length).toBeGreaterThan(50);
    // Whoever wants it larger can zoom.
    expect(head.viewport).toBe("width=device-width, initial-scale=1");
    expect((await page.request.get(head.icon)).ok()).toBe(true);
  });

  it("runs under a policy that lets nothing in that is not its own", async () => {
    const policy =
      (await page
        .locator('meta[http-equiv="Content-Security-Policy"]')
        .evaluate((meta) => meta.getAttribute("content"))) ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
  });

  it("has in no view a picture without text or size, a link that leads nowhere, an id twice, or a motion", async () => {
    for (const { id, title, element } of VIEWS) {
      await page.getByRole("tab", { name: title }).click();
      await page.locator(element).waitFor();
      const found = await page.evaluate(() => {
        const complaints: string[] = [];
        const look = (root: Document | ShadowRoot): void => {
          const ids = new Set<string>();
          for (const one of root.querySelectorAll("*")) {
            if (one.id !== "" && ids.has(one.id)) complaints.push(`the id ${one.id} twice`);
            ids.add(one.id);
            if (one instanceof HTMLImageElement && (!one.alt || !one.width || !one.height))
              complaints.push(`a picture without text or size: ${one.src}`);
            if (one instanceof HTMLAnchorElement) {
              const { hash, origin } = new URL(one.href);
              if (origin !== location.origin && !/noopener|noreferrer/.test(one.rel))
                complaints.push(`a link that hands over the page: ${one.href}`);
              if (hash !== "" && root.querySelector(hash) === null && document.querySelector(hash) === null)
                complaints.push(`a link that leads nowhere: ${one.href}`);
            }
            if (one.shadowRoot) look(one.shadowRoot);
          }
        };
        look(document);
        for (const animation of document.getAnimations())
          if (animation.playState === "running") complaints.push("a motion, though less of it is wished for");
        return complaints;
      });
      expect(found, id).toEqual([]);
    }
  });

  it("says nothing in the browser's console and asks nobody else for anything, whatever view is open", () => {
    expect(opened.complaints).toEqual([]);
  });
});

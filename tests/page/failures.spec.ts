/** What the page says when something goes wrong, and that there is a way on from there. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { choose, type Site, serveBuiltPage, untilReady, untilTerminal } from "./harness.ts";

let site: Site;

beforeAll(async () => {
  site = await serveBuiltPage();
});

afterAll(() => site?.close());

describe("when something goes wrong", () => {
  it("names the file that the server does not have, and tries again", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    await page.route("**/guest/vmlinux.gz", (route) => route.fulfill({ status: 404, body: "" }));
    await page.goto(site.url);
    const alert = page.getByRole("alert");
    await alert.getByText("The kernel could not be downloaded: the server answered 404").waitFor();
    await page.unroute("**/guest/vmlinux.gz");
    await page.locator("#retry").click();
    await untilReady(page);
    await close();
  });

  it("says that the server does not answer", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    await page.route("**/guest/initramfs.cpio.gz", (route) => route.abort());
    await page.goto(site.url);
    await page
      .getByRole("alert")
      .getByText("The initramfs could not be downloaded: the server does not answer.")
      .waitFor();
    await close();
  });

  it("refuses a file that is not the kernel that the page was built with, in words", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    await page.route("**/guest/vmlinux.gz", (route) =>
      route.fulfill({ body: "this is not a kernel, but it is long enough" }),
    );
    await page.goto(site.url);
    await page
      .getByRole("alert")
      .getByText(/The kernel came in damaged: the server has another file at .*vmlinux\.gz than it should/)
      .waitFor();
    await close();
  });

  it("keeps the machine when a switch fails, says why, and shows the mode in force", async () => {
    const { page, close } = await site.open();
    await untilReady(page);
    await page.evaluate(() => {
      const { doorbell } = window as unknown as { doorbell: { setInterrupts: () => Promise<never> } };
      doorbell.setInterrupts = () => Promise.reject(new Error("net0 did not answer within 5 s"));
    });
    await choose(page, "interrupts", "Legacy (wired)");
    const notice = page.locator("#notice");
    await notice
      .getByText("The switch to Legacy (wired) did not finish: net0 did not answer within 5 s.")
      .waitFor();
    expect(await page.locator("#interrupts input:checked").getAttribute("value")).toBe("msi");
    await notice.getByText("Dismiss").click();
    await page.evaluate(() => document.querySelector("doorbell-terminal")?.focus());
    await page.keyboard.type("echo alive $((2+2))\n");
    await untilTerminal(page, /^alive 4$/m);
    await close();
  });

  it("shows how much of each file has come, and of all together", async () => {
    const { page, close } = await site.open({}, "/icon.svg");
    // The headers, with the length, and the first bytes are there; the rest is held back.
    await page.addInitScript(() => {
      const original = window.fetch;
      const released = new Promise((release) => Object.assign(window, { release }));
      window.fetch = async (...args) => {
        const response = await original(...args);
        if (!String(args[0]).includes("vmlinux")) return response;
        const { body, headers } = response;
        const held = new TransformStream({
          transform: async (chunk, controller) => {
            controller.enqueue(chunk);
            await released;
          },
        });
        return new Response(body?.pipeThrough(held), { headers });
      };
    });
    await page.goto(site.url);
    const kernel = page.getByRole("progressbar", { name: "Download of the kernel" });
    await expect.poll(() => kernel.getAttribute("max")).toMatch(/^[0-9]{7}$/);
    await expect
      .poll(() => page.locator("doorbell-progress dd.total").textContent())
      .toMatch(/^[0-9.]+ (kB|MB) of [0-9.]+ MB$/);
    await page.evaluate(() => (window as unknown as { release: () => void }).release());
    await untilReady(page);
    await close();
  });

  it("starts in the modes that its address asks for", async () => {
    const { page, close } = await site.open({}, "/?interrupts=wired&doorbell=shared");
    await untilReady(page);
    expect(await page.locator("#interrupts input:checked").getAttribute("value")).toBe("wired");
    expect(await page.locator("#doorbell input:checked").getAttribute("value")).toBe("shared");
    expect(await page.locator("doorbell-panel .state").textContent()).toBe(
      "virtio-mmio version 2, Legacy (wired)",
    );
    await close();
  });
});

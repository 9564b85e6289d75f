/** The packets on the guest's cable, live, in a real browser. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type OpenPage,
  type Site,
  serveBuiltPage,
  typeInTerminal,
  untilReady,
  untilTerminal,
  violations,
} from "./harness.ts";

let site: Site;
let opened: OpenPage;

beforeAll(async () => {
  site = await serveBuiltPage();
  opened = await site.open({}, "/?view=packets");
  await untilReady(opened.page);
});

afterAll(async () => {
  await opened?.close();
  await site?.close();
});

it("shows what the guest says on its cable in words: DHCP at boot, then ARP, pings and TCP", async () => {
  const { page } = opened;
  const row = (text: string) => page.locator("doorbell-packets tbody tr", { hasText: text });
  await row("DHCP").filter({ hasText: "Discover" }).first().waitFor();
  await row("DHCP").filter({ hasText: "address 10.0.2.15" }).first().waitFor();
  await typeInTerminal(
    page,
    "ping -c 2 10.0.2.2; wget -qO- http://10.0.2.2:8080/ | tail -1; nslookup example.org\n",
  );
  await untilTerminal(page, /2 packets received/);
  await row("Echo (ping) request").first().waitFor();
  await row("Echo (ping) reply").first().waitFor();
  await row("8080 (status) [SYN]").first().waitFor();
});

it("filters by words, and shows one packet layer by layer with its bytes", async () => {
  const { page } = opened;
  await page.getByRole("searchbox", { name: "Filter" }).fill("icmp request");
  const rows = page.locator("doorbell-packets tbody tr");
  await expect.poll(() => rows.count()).toBe(2);
  await rows.first().getByRole("button").click();
  const detail = page.locator("doorbell-packets .detail");
  await detail.getByText("ICMP").first().waitFor();
  expect(await detail.locator("summary").allTextContents()).toEqual(["Ethernet II", "IPv4", "ICMP"]);
  expect(await detail.locator("pre").textContent()).toMatch(
    /^0000 {2}52 55 0a 00 02 02 52 54 00 12 34 56 08 00/,
  );
  await page.keyboard.press("ArrowDown");
  await expect.poll(() => detail.getAttribute("aria-label")).toMatch(/^Packet \d+$/);
  expect(await rows.nth(1).getAttribute("data-selected")).toBe("");
  expect(await violations(page)).toEqual([]);
  await detail.getByRole("button", { name: "Close" }).click();
});

it("keeps up with thousands of packets, and never shows more than it can", async () => {
  const { page } = opened;
  await page.getByRole("searchbox", { name: "Filter" }).fill("");
  await page.locator("#freeze").click();
  await typeInTerminal(page, "clear; tcp_rr -H 10.0.2.2 -l 2 -r 32,1024\n");
  await untilTerminal(page, /transactions\/s/);
  const rows = page.locator("doorbell-packets tbody tr");
  await expect.poll(() => rows.count()).toBe(200);
  await expect.poll(() => rows.last().textContent()).toContain("request/response");
  expect(opened.complaints).toEqual([]);
});

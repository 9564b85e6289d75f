/** The page as `npm start` serves it. */
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { expect, it } from "vitest";
import { site, untilReady } from "./harness.ts";

it("boots from the development server with nothing in the browser's console", async () => {
  const server = await createServer({
    configFile: fileURLToPath(new URL("../../vite.config.ts", import.meta.url)),
    logLevel: "error",
    // Nobody edits the sources during the test; a reload would only blur what it says.
    server: { port: 0, host: "127.0.0.1", watch: null },
  });
  await server.listen();
  const address = server.httpServer?.address();
  if (!address || typeof address === "string") throw new Error("The server has no port.");
  const browser = await site(`http://127.0.0.1:${address.port}`, () => server.close());
  try {
    const { page, complaints } = await browser.open();
    await untilReady(page);
    expect(complaints.filter((line) => !line.startsWith("request to ws:"))).toEqual([]);
  } finally {
    await browser.close();
  }
});

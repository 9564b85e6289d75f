import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => response.end(`you asked for ${request.url}\n`));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // v86's router takes <port>.external for a server on this host.
  url = `http://${(server.address() as AddressInfo).port}.external/hello`;
});

afterEach(async () => {
  await guest?.vm.destroy();
  guest = undefined;
});

afterAll(() => {
  server.close();
});

describe("the web", () => {
  it("is out of a guest's reach unless it was allowed", async () => {
    guest = await bootGuest();
    const { status, stdout } = await guest.run(`wget -qO- ${url}`);
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
  });

  it("is reached by HTTP through the host's fetch when it was allowed", async () => {
    guest = await bootGuest({ web: true });
    const { status, stdout } = await guest.run(`wget -qO- ${url}`);
    expect(stdout).toBe("you asked for /hello\n");
    expect(status).toBe(0);
  });
});

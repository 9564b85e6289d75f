import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, type Guest } from "./guest.ts";

let guest: Guest | undefined;
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url !== "/breaks-off") return response.end(`you asked for ${request.url}\n`);
    response.writeHead(200, { "Content-Length": 100_000 });
    return response.write("the beginning", () => response.destroy());
  });
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

  it("that is refused, or breaks off, is an error of the program that asked, in bounded time; all else goes on", async () => {
    guest = await bootGuest({ web: true });
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    for (const gone of [`http://${port}.external/`, url.replace("hello", "breaks-off")]) {
      const { status, stdout } = await guest.run(`wget -T 5 -qO- ${gone}`);
      expect(status, stdout).not.toBe(0);
    }
    expect((await guest.run(`wget -qO- ${url}`)).stdout).toBe("you asked for /hello\n");
    expect((await guest.run("ping -c 1 10.0.2.2")).status).toBe(0);
    expect(guest.vm.metrics().devices.net0?.faults).toEqual({});
  });
});

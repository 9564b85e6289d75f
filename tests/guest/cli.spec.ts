import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromeTraceProblems } from "./chrome-trace.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "doorbell-"));
});

afterAll(() => rm(folder, { recursive: true }));

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What our guest image prints when its shell is there. */
const READY = "Doorbell guest ready";

/** `npm run -s vm -- args`; a signal may be sent after some output has come, and each time a shell is there something typed. */
function vm(
  args: readonly string[],
  options: {
    interruptAfter?: string;
    stdin?: string;
    type?: readonly string[];
    node?: readonly string[];
  } = {},
): Promise<Run> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...(options.node ?? []), join(ROOT, "scripts/vm.mjs"), ...args], {
      cwd: folder,
    });
    let stdout = "";
    let stderr = "";
    let interrupted = false;
    child.stdout.on("data", (bytes: Buffer) => {
      stdout += bytes;
      if (options.interruptAfter && !interrupted && stdout.includes(options.interruptAfter)) {
        interrupted = true;
        child.kill("SIGINT");
      }
    });
    const type = [...(options.type ?? [])];
    let typedAt = 0;
    child.stdout.on("data", () => {
      const ready = stdout.indexOf(READY, typedAt);
      if (ready < 0 || type.length === 0) return;
      typedAt = ready + READY.length;
      child.stdin.write(type.shift() ?? "");
    });
    child.stderr.on("data", (bytes: Buffer) => {
      stderr += bytes;
    });
    if (options.stdin !== undefined) child.stdin.write(options.stdin);
    else if (options.type === undefined) child.stdin.end();
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}

const path = (name: string): string => join(folder, name);

describe("the headless runner", () => {
  it("runs a command: its output to stdout, its status as ours, the console's to stderr", async () => {
    const { status, stdout, stderr } = await vm(["--exec", "echo hello; exit 5"]);
    expect(stdout).toBe("hello\n");
    expect(status).toBe(5);
    expect(stderr).toContain("Doorbell guest ready");
  });

  it("shows at least five vectors in msi mode", async () => {
    const { status, stdout } = await vm([
      "--interrupts",
      "msi",
      "--exec",
      "grep -c VMMIO-MSI /proc/interrupts",
    ]);
    expect(Number(stdout)).toBeGreaterThanOrEqual(5);
    expect(status).toBe(0);
  });

  it("shows no vector with the interface of version 2, and says so by grep's status", async () => {
    const stats = path("v2.json");
    const { status, stdout } = await vm([
      ...["--interrupts", "wired", "--doorbell", "shared", "--stats", stats],
      ...["--exec", "grep -c VMMIO-MSI /proc/interrupts"],
    ]);
    expect(stdout).toBe("0\n");
    expect(status).toBe(1);
    for (const device of Object.values(JSON.parse(await readFile(stats, "utf8")).devices)) {
      expect(device).toMatchObject({ version: 2 });
    }
  });

  it("switches while tcp_rr runs, and writes counters and capture", async () => {
    const stats = path("s.json");
    const pcap = path("t.pcapng");
    const { status, stdout } = await vm([
      ...["--exec", "tcp_rr -H 10.0.2.2 -l 10 -r 32,1024 --verify", "--switch-every", "0.5"],
      ...["--stats", stats, "--pcap", pcap, "--quiet"],
    ]);
    expect(stdout).toContain("transactions/s");
    expect(status).toBe(0);
    const metrics = JSON.parse(await readFile(stats, "utf8"));
    expect(metrics.switches).toBeGreaterThanOrEqual(15);
    expect(metrics.devices.net0.net.dropped).toBe(0);
    expect(metrics.devices.net0.interrupts.byVector).toHaveLength(4);
    expect(metrics.ioapicEois).toBeGreaterThan(0);
    expect((await readFile(pcap)).readUInt32LE(0)).toBe(0x0a0d0d0a);
  });

  it("writes a trace, for Perfetto or as text by the file's name", async () => {
    const json = path("t.json");
    const first = await vm(["--exec", "ping -c 1 10.0.2.2", "--trace", json, "--quiet"]);
    expect(first.status).toBe(0);
    const trace = JSON.parse(await readFile(json, "utf8"));
    expect(chromeTraceProblems(trace)).toEqual([]);
    // From the start on: the driver's first look at a device, and the ping.
    const names = trace.traceEvents.map(({ name }: { name: string }) => name);
    expect(names).toContain("read MagicValue");
    expect(names).toContain("frame-in");

    const text = path("t.txt");
    await vm(["--until", "Welcome to Doorbell", "--trace", text, "--quiet"]);
    expect(await readFile(text, "utf8")).toMatch(/console0 +write Status \(0x070\) = 0xf$/m);
  });

  it("puts overlays into the guest's root, modes and links kept, later ones over earlier ones", async () => {
    for (const [overlay, text] of [
      ["one", "first"],
      ["two", "second"],
    ] as const) {
      await mkdir(path(`${overlay}/opt`), { recursive: true });
      await writeFile(path(`${overlay}/opt/${overlay}`), `#!/bin/sh\necho ${text}\n`);
      await chmod(path(`${overlay}/opt/${overlay}`), 0o750);
      await writeFile(path(`${overlay}/opt/both`), text);
    }
    await symlink("one", path("one/opt/link"));
    const { stdout } = await vm([
      ...["--overlay", "one", "--overlay", "two", "--quiet"],
      ...["--exec", "/opt/link; /opt/two; cat /opt/both; stat -c ' %a %u' /opt/one"],
    ]);
    expect(stdout).toBe("first\nsecond\nsecond 750 0\n");
  });

  it("ends with --until when the console has printed it", async () => {
    const { status } = await vm(["--until", "guest ready", "--quiet"]);
    expect(status).toBe(0);
  });

  it("gives up after --timeout with status 124", async () => {
    const { status, stderr } = await vm(["--exec", "sleep 100", "--timeout", "6", "--quiet"]);
    expect(status).toBe(124);
    expect(stderr).toContain("Gave up after 6 s");
  });

  it("passes Ctrl-C to the command", async () => {
    const { status, stdout } = await vm(
      ["--exec", "trap 'echo caught; exit 9' INT; echo go; sleep 100 & wait", "--quiet"],
      {
        interruptAfter: "go",
      },
    );
    expect(stdout).toBe("go\ncaught\n");
    expect(status).toBe(9);
  });

  it("is an interactive terminal without --exec, which Ctrl-] leaves", async () => {
    const { status, stdout } = await vm([], { stdin: "\x1d" });
    expect(status).toBe(0);
    expect(stdout).toBe("\r\n");
  });

  it("boots again in the terminal after reboot -f, and ends by poweroff -f with status 0", async () => {
    const { status, stdout, stderr } = await vm([], { type: ["reboot -f\n", "poweroff -f\n"] });
    expect(stdout.split(READY)).toHaveLength(3);
    expect(stderr).toContain("The guest has reset its machine.");
    expect(stderr).toContain("The guest has shut down.");
    expect(status).toBe(0);
  });

  it("ends with status 1 and the panic's words in the terminal, also when it never came to a shell", async () => {
    const { status, stdout, stderr } = await vm(["--append", "rdinit=/nothing"], { type: [] });
    expect(stdout).toContain("Kernel panic - not syncing: ");
    expect(stderr).toMatch(/^Linux has panicked: .+\.$/m);
    expect(status).toBe(1);
  });

  it.each([
    ["reboot -f", "The guest has reset its machine."],
    ["echo c > /proc/sysrq-trigger", "Linux has panicked: sysrq triggered crash."],
  ])("ends with status 1 and a sentence when a command's guest stops by %s", async (command, sentence) => {
    const { status, stderr } = await vm(["--exec", command, "--quiet"]);
    expect(stderr).toBe(`${sentence}\n`);
    expect(status).toBe(1);
  });

  it("says that the guest may reach the web when it may", async () => {
    const { status, stderr } = await vm(["--web", "--exec", "true", "--quiet"]);
    expect(stderr).toBe("doorbell: the guest may reach the web (--web).\n");
    expect(status).toBe(0);
  });

  it("says in a sentence that there is not enough memory for the guest", async () => {
    // 48 MiB of WebAssembly memory, where a guest wants 64 and something: the limit is the platform's own.
    const { status, stderr } = await vm(["--exec", "true"], { node: ["--wasm-max-mem-pages=768"] });
    expect(stderr).toBe(
      "There is not enough memory here for a guest with 64 MiB: give it less, or close what else is open.\n",
    );
    expect(status).toBe(2);
  });

  it.each<[string, string[], RegExp]>([
    [
      "a file that is no kernel",
      ["--kernel", join(ROOT, "README.md"), "--exec", "true"],
      /README\.md is not a Linux kernel/,
    ],
    [
      "a kernel file that does not exist",
      ["--kernel", "nothing", "--exec", "true"],
      /nothing, which cannot be read: there is no such file/,
    ],
    [
      "too little memory",
      ["--memory", "1", "--exec", "true"],
      /cannot have 1 MiB of memory: give a whole number from 16 to 1024/,
    ],
    ["an overlay that does not exist", ["--overlay", "nothing", "--exec", "true"], /--overlay names nothing/],
    ["an unknown flag", ["--loud"], /There is no flag --loud/],
    [
      "a command line that is too long",
      ["--append", "x".repeat(3000), "--exec", "true"],
      /command line has \d+ bytes/,
    ],
  ])("refuses %s with one sentence and status 2", async (_what, args, sentence) => {
    const { status, stdout, stderr } = await vm(args);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(sentence);
    expect(stderr.trim()).not.toContain("\n");
  });

  it("says what it takes with --help", async () => {
    const { status, stdout } = await vm(["--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("--switch-every S");
  });
});

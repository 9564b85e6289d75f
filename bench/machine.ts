/** A measured machine, seen from the bench: the calls of protocol.ts as promises, wherever it runs. */
import { Worker } from "node:worker_threads";
import type { Answer, Call, MachineCalls } from "./protocol.ts";

/** Something went wrong in a measured machine; the message is a sentence. */
export class MachineError extends Error {
  override readonly name = "MachineError";
}

/** Where machines run: each in a thread of this process, or in a page of a headless Chromium. */
export type Place = "node" | "chromium";

type Calls = {
  [Name in keyof MachineCalls]: (
    ...args: Parameters<MachineCalls[Name]>
  ) => Promise<ReturnType<MachineCalls[Name]>>;
};

/** The way to a machine. */
export interface Link {
  /** Resolves with what the call brought; rejects with {@link MachineError}. */
  call(name: keyof MachineCalls, args: readonly unknown[]): Promise<unknown>;
  close(): Promise<void>;
}

const open = new Set<Link>();

/** Ends every machine at once; for Ctrl-C. */
export async function terminateAll(): Promise<void> {
  await Promise.all([...open].map((link) => link.close().catch(() => {})));
}

/** One machine. */
export class BenchMachine {
  /** What it can be asked. */
  readonly calls: Calls;
  readonly #link: Link;

  static async at(place: Place): Promise<BenchMachine> {
    if (place === "node") return new BenchMachine(new ThreadLink());
    const { openPage } = await import("./chromium.ts");
    return new BenchMachine(await openPage());
  }

  private constructor(link: Link) {
    open.add(link);
    this.#link = link;
    this.calls = new Proxy({} as Calls, {
      get:
        (_, name) =>
        (...args: readonly unknown[]) =>
          link.call(name as keyof MachineCalls, args),
    });
  }

  /** Runs a command that must succeed. */
  async run(command: string): Promise<Awaited<ReturnType<Calls["exec"]>>> {
    const result = await this.calls.exec(command);
    if (result.status !== 0) {
      const said = result.stderr.trim().split("\n").at(-1);
      throw new MachineError(
        `"${command}" ended with status ${result.status} in the guest${said ? `: ${said}` : "."}`,
      );
    }
    return result;
  }

  async end(): Promise<void> {
    await this.calls.destroy().catch(() => {});
    open.delete(this.#link);
    await this.#link.close();
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** To a machine in a thread of its own: worker.ts. */
class ThreadLink implements Link {
  readonly #worker = new Worker(new URL("./worker.mjs", import.meta.url));
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;

  constructor() {
    this.#worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("error" in answer) waiting?.reject(new MachineError(answer.error));
      else waiting?.resolve(answer.value);
    });
    this.#worker.on("error", (error) => this.#fail(error.message));
    this.#worker.on("exit", () => this.#fail("Its thread has ended."));
  }

  call(name: keyof MachineCalls, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: Call = { id: this.#nextId++, name, args };
      this.#waiting.set(call.id, { resolve, reject });
      this.#worker.postMessage(call);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new MachineError(message));
    this.#waiting.clear();
  }
}

/** A measured machine, seen from the bench: worker.ts behind promises. */
import { Worker } from "node:worker_threads";
import type { Answer, Call, MachineCalls } from "./protocol.ts";

/** Something went wrong in a measured machine; the message is a sentence. */
export class MachineError extends Error {
  override readonly name = "MachineError";
}

type Calls = {
  [Name in keyof MachineCalls]: (
    ...args: Parameters<MachineCalls[Name]>
  ) => Promise<ReturnType<MachineCalls[Name]>>;
};

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const running = new Set<Worker>();

/** Ends every machine at once; for Ctrl-C. */
export async function terminateAll(): Promise<void> {
  await Promise.all([...running].map((worker) => worker.terminate()));
}

/** One machine in its thread. */
export class BenchMachine {
  /** What it can be asked. */
  readonly calls: Calls;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;

  constructor() {
    const worker = new Worker(new URL("./worker.mjs", import.meta.url));
    running.add(worker);
    worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("error" in answer) waiting?.reject(new MachineError(answer.error));
      else waiting?.resolve(answer.value);
    });
    worker.on("error", (error) => this.#fail(error.message));
    worker.on("exit", () => {
      running.delete(worker);
      this.#fail("Its thread has ended.");
    });
    this.#worker = worker;
    const call =
      (name: Call["name"]) =>
      (...args: readonly unknown[]) =>
        this.#call({ id: this.#nextId++, name, args });
    this.calls = {
      boot: call("boot"),
      exec: call("exec"),
      output: call("output"),
      metrics: call("metrics"),
      pause: call("pause"),
      resume: call("resume"),
      setExitCost: call("setExitCost"),
      destroy: call("destroy"),
    } as Calls;
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
    await this.#worker.terminate();
  }

  #call(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject });
      this.#worker.postMessage(call);
    });
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new MachineError(message));
    this.#waiting.clear();
  }
}

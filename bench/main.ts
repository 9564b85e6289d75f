/** `npm run -s bench -- COMMAND [flags]`: see flags.ts for what it takes. */
import { UsageError } from "../src/cli/flags.ts";
import { compareFiles } from "./compare.ts";
import { HELP, parseBenchFlags, type Settings } from "./flags.ts";
import type { Progress } from "./fleet.ts";
import { MachineError, terminateAll } from "./machine.ts";
import { type Outcome, publish } from "./report.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const progress: Progress = (line) => {
  process.stderr.write(`bench: ${line}\n`);
};

/** Each benchmark is loaded when it is asked for. */
async function run(settings: Exclude<Settings, { command: "compare" }>): Promise<Outcome> {
  switch (settings.command) {
    case "tcp_rr":
    case "udp_rr": {
      const { runRr } = await import("./rr.ts");
      return runRr({ ...settings, command: settings.command }, progress);
    }
    case "exit-cost":
      return (await import("./exit-cost.ts")).runExitCost(settings, progress);
    case "stream":
      return (await import("./stream.ts")).runStream(settings, progress);
    case "console":
      return (await import("./console.ts")).runConsole(settings, progress);
    case "latency":
      return (await import("./latency.ts")).runLatency(settings, progress);
    case "idle":
      return (await import("./idle.ts")).runIdle(settings, progress);
    case "boot":
      return (await import("./boot.ts")).runBoot(settings, progress);
    case "trace-cost":
      return (await import("./trace-cost.ts")).runTraceCost(settings, progress);
    case "baseline":
      return (await import("./baseline.ts")).runBaseline(progress);
    case "access":
      return (await import("./access.ts")).runAccess(settings, progress);
  }
}

async function main(): Promise<number> {
  const settings = parseBenchFlags(process.argv.slice(2));
  if (settings === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (settings.command === "compare") {
    process.stdout.write(await compareFiles(...settings.files));
    return 0;
  }
  await publish(await run(settings), settings);
  return 0;
}

/** Ends when what was written has gone out: process.exit does not wait for pipes. */
async function exit(status: number): Promise<never> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) => new Promise<void>((resolve) => stream.write("", () => resolve())),
    ),
  );
  process.exit(status);
}

const end = (signal: string, status: number): void => {
  process.once(signal, async () => {
    process.stderr.write("bench: interrupted; nothing is written.\n");
    await terminateAll();
    await exit(status);
  });
};
end("SIGINT", EXIT_INTERRUPTED);
end("SIGTERM", 143);

try {
  await exit(await main());
} catch (error) {
  await terminateAll();
  if (error instanceof UsageError || error instanceof MachineError) {
    process.stderr.write(`${error.message}\n`);
    await exit(error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED);
  }
  throw error;
}

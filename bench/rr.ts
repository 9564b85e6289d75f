/** tcp_rr and udp_rr: interleaved rounds over all columns. */
import type { ColumnName } from "./columns.ts";
import { environment } from "./environment.ts";
import type { RrSettings } from "./flags.ts";
import { alone, bootFleet, kernelOf, type Progress, type WarmUp, warmUp } from "./fleet.ts";
import type { BenchMachine } from "./machine.ts";
import type { Outcome } from "./report.ts";
import { type RrMeasurement, type RrTool, renderRr, summarize, toMeasurement } from "./rr-report.ts";
import { figure } from "./table.ts";

/** Not counted, before each measurement: after a pause caches are cold and the guest's clock has jumped. */
const LEAD_IN_SECONDS = 0.5;

/** What is in Report.details. */
export interface RrDetails {
  readonly seconds: number;
  readonly rounds: number;
  readonly request: number;
  readonly response: number;
  readonly warmUp: Record<string, WarmUp>;
  readonly measurements: readonly RrMeasurement[];
}

type Tool = "tcp_rr" | "udp_rr";
type Sizes = Pick<RrSettings, "request" | "response">;

async function runTool(machine: BenchMachine, tool: Tool, seconds: number, { request, response }: Sizes) {
  const result = await machine.run(`${tool} -H 10.0.2.2 -l ${seconds} -r ${request},${response} --json`);
  return { ...result, tool: JSON.parse(result.stdout) as RrTool };
}

/** Boots, warms up and measures; the machines are gone when it returns. */
export async function measureRr(
  settings: Omit<RrSettings, "command"> & { readonly command: Tool },
  notes: string[],
  progress: Progress,
): Promise<{ details: RrDetails; kernel: string; fleet: readonly ColumnName[] }> {
  const { command, seconds, rounds, exitCosts } = settings;
  const wanted = settings.columns.filter((name) => {
    const fits = command === "tcp_rr" || name !== "v86-virtio-net";
    if (!fits) notes.push(`${name} is left out: v86's router has no request/response service by UDP.`);
    return fits;
  });
  const fleet = await bootFleet(wanted, notes, progress);
  try {
    const kernel = await kernelOf(fleet);
    const warm: Record<string, WarmUp> = {};
    for (const member of fleet) {
      const warmed = await alone(member, (machine) =>
        warmUp(settings.warmUp, async () => {
          const { tool } = await runTool(machine, command, 1, settings);
          progress(`${member.name}: warming up, ${figure(tool.transactionsPerSecond)} transactions/s`);
          return tool.transactionsPerSecond;
        }),
      );
      warm[member.name] = warmed;
      if (!warmed.settled) notes.push(`${member.name} had not settled after ${warmed.rates.length} s.`);
    }
    const measurements: RrMeasurement[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const exitCostNs of exitCosts) {
        for (const member of fleet) {
          const measurement = await alone(member, async (machine) => {
            await machine.calls.setExitCost(exitCostNs);
            await runTool(machine, command, LEAD_IN_SECONDS, settings);
            const { tool, before, after } = await runTool(machine, command, seconds, settings);
            return toMeasurement({ column: member.name, round, exitCostNs }, tool, before, after);
          });
          measurements.push(measurement);
          const cost = exitCostNs === 0 ? "" : ` at ${exitCostNs} ns`;
          progress(
            `round ${round} of ${rounds}, ${member.name}${cost}: ` +
              `${figure(measurement.transactionsPerSecond)} transactions/s`,
          );
        }
      }
    }
    const { request, response } = settings;
    return {
      details: { seconds, rounds, request, response, warmUp: warm, measurements },
      kernel,
      fleet: fleet.map(({ name }) => name),
    };
  } finally {
    await Promise.all(fleet.map(({ machine }) => machine.end()));
  }
}

export async function runRr(
  settings: RrSettings & { readonly command: Tool },
  progress: Progress,
): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const { details, kernel } = await measureRr(settings, notes, progress);
  env.kernel = kernel;
  const { command, seconds, rounds, request, response, exitCosts } = settings;
  return {
    report: {
      schema: 1,
      benchmark: command,
      environment: env,
      modelledExitCostNs: exitCosts,
      notes,
      summary: summarize(details.measurements),
      details,
    },
    body: [
      `${request} bytes there, ${response} bytes back; ${rounds} interleaved rounds of ${seconds} s each.`,
      ...exitCosts.map((exitCostNs) => renderRr(details.measurements, exitCostNs, command === "tcp_rr")),
    ].join("\n\n"),
  };
}

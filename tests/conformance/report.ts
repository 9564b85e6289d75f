import { TRANSPORT_NAMES } from "../../src/virtio/testing/mock-rig.ts";
import { SUBJECT_NAMES } from "../hostile/subjects.ts";
import { CLAUSES, type Clause, LEVELS } from "./clauses.ts";

/** The groups of clauses, by how their ids begin. */
const GROUPS: readonly (readonly [prefix: string, title: string])[] = [
  ["STAT", "Device status"],
  ["FEAT", "Feature bits"],
  ["RST", "Reset"],
  ["VQR", "Queue reset"],
  ["SUSP", "Suspend"],
  ["CFG", "Configuration space"],
  ["SHM", "Shared memory"],
  ["SVQ", "Split virtqueues"],
  ["IND", "Indirect descriptors"],
  ["UNS", "Used buffer notification suppression"],
  ["ANS", "Available buffer notification suppression"],
  ["LEG", "Legacy interface"],
  ["PVQ", "Packed virtqueues"],
  ["MMIO-D", "Registers on MMIO"],
  ["NET", "Network device"],
  ["CON", "Console device"],
  ["BLK", "Block device"],
  ["RNG", "Entropy device"],
  ["MSI", "Message-signalled interrupts on MMIO"],
];

/** What the tests of one clause said. */
export type Result = "holds" | "FAILS" | "was not tested";

const everyone = (part: readonly string[], all: readonly string[]): string =>
  part.length === all.length ? "all" : part.join(", ");

function row({ id, level, text, section, devices, transports, absent }: Clause, result: Result): string {
  const said = absent && result === "holds" ? `does not apply: ${absent.reason}` : result;
  const where = absent ? "" : everyone(transports, TRANSPORT_NAMES);
  return `| ${id} | ${LEVELS[level]} | ${text} | ${said} | ${everyone(devices, SUBJECT_NAMES)} | ${where} | ${section} |`;
}

/** docs/conformance.md, from what the tests said of each clause. */
export function render(resultOf: (id: string) => Result): string {
  const groups = GROUPS.map(([prefix, title]) => {
    const clauses = CLAUSES.filter(({ id }) => id.startsWith(`${prefix}-`));
    const rows = clauses.map((clause) => row(clause, resultOf(clause.id)));
    return `## ${title}

| clause | level | in our words | result | devices | transports | section |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
  });
  const count = (of: (clause: Clause) => boolean): number => CLAUSES.filter(of).length;
  const failing = count(({ id }) => resultOf(id) !== "holds");
  return `# Conformance

Written by \`npm run conformance\`, which runs \`tests/conformance/\`: each clause of the virtio standard that a device can be
held against has a test, driven through registers and guest memory by a mock driver, for each device and each transport
that the clause is about. The clauses are of virtio 1.2 with what 1.3 and 1.4 added, in our words; sections go by the
standard's own titles. The last group is not the standard's but [ours](virtio-mmio-v3.md).

Level: must, must not, should; "format" is what the standard's formats say without such a word; "driver's rule broken" is a
rule for drivers, and the test is what the device does when one breaks it. A clause that does not apply has a test too: that
what it is about (a feature bit, a device type) is offered by no device on no transport.

**${count(({ absent }) => absent === undefined)} clauses apply, ${count(({ absent }) => absent !== undefined)} do not. ${failing === 0 ? "None fails." : `${failing} FAIL.`}**

${groups.join("\n")}`;
}

/** What vitest's JSON report says of one test. */
interface TestResult {
  readonly ancestorTitles: readonly string[];
  readonly status: string;
}

/** Results by clause, from vitest's JSON report of the suite: a clause holds when it has tests and all of them pass. */
export function resultsOf(report: {
  readonly testResults: readonly { readonly assertionResults: readonly TestResult[] }[];
}): (id: string) => Result {
  const results = new Map<string, Result>();
  for (const { ancestorTitles, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    const id = ancestorTitles[0]?.split(":")[0] ?? "";
    if (status !== "passed") results.set(id, "FAILS");
    else if (!results.has(id)) results.set(id, "holds");
  }
  return (id) => results.get(id) ?? "was not tested";
}

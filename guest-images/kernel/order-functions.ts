/**
 * Makes `text-order`: the functions of the kernel that its busiest work goes through, those that follow one another side by side.
 * v86 translates a page of guest code at a time, and going from one page to another costs a turn through its dispatcher,
 * so what is on few pages is quicker (docs/benchmarks.md).
 *
 *     npx tsx guest-images/kernel/order-functions.ts System.map >guest-images/kernel/text-order
 *
 * System.map is of the kernel in public/guest/; a build leaves it in guest-images/.build/work/linux-source-6.1/. The guest runs block
 * by block, interpreted, and each step from one function to another is counted.
 */
import { readFileSync } from "node:fs";
import { type ExecOptions, MicroVm } from "../../src/index.ts";

/** Request and response, on each transport and by each kind of interrupt, so that none is favoured: counted together, and placed first. */
const MACHINES = [
  { transport: "mmio", interrupts: "msi" },
  { transport: "mmio", interrupts: "wired" },
  { transport: "pci", interrupts: "msi" },
  { transport: "pci", interrupts: "wired" },
] as const;
const FIRST = { command: "tcp_rr -H 10.0.2.2 -l 600 -r 32,1024", instructions: 4_000_000 };
/** What else is placed, on the first machine, the most important first. */
const WORK = [
  { command: "udp_rr -H 10.0.2.2 -l 600 -r 32,1024", instructions: 3_000_000 },
  { command: "nc 10.0.2.2 9 -e dd if=/dev/zero bs=64k count=100000", instructions: 3_000_000 },
  {
    command: "nc 10.0.2.2 19 -e sh -c 'echo 9000000000; exec dd of=/dev/null bs=64k'",
    instructions: 3_000_000,
  },
  { command: "while :; do ls -l /bin | head -50 >/dev/console; done", instructions: 5_000_000 },
] as const;
type Work = typeof FIRST;
/** So many instructions of each come before, and are not counted: the command gets to the guest, a connection is made. */
const LEAD_IN = 15_000_000;
/** A step that is rarer than one in so many does not count. */
const RARE = 20_000;

/** Where v86 0.5.462 has what is read here, as indices of 32-bit words in its memory, and the byte that says the CPU is halted. */
const INSTRUCTION_POINTER = 556 >> 2;
const COUNTER = 664 >> 2;
const HALTED = 616;
/** `i32.const 100003`, the instructions of a slice, and `i32.const 1` of the same length. */
const SLICE = [0x41, 0xa3, 0x8d, 0x06];
const ONE = [0x41, 0x81, 0x80, 0x00];
/** The guest's clock follows its instructions, as on a machine that does so many in a millisecond. */
const INSTRUCTIONS_PER_MS = 50_000;

const map = process.argv[2];
if (map === undefined) {
  console.error("Name the kernel's System.map: it says where its functions are.");
  process.exit(2);
}
const functions = readFileSync(map, "latin1")
  .split("\n")
  .map((line) => /^([0-9a-f]{8}) [tT] (.+)$/.exec(line))
  .flatMap((match) => (match ? [{ address: Number.parseInt(match[1] ?? "", 16), name: match[2] ?? "" }] : []))
  .sort((a, b) => a.address - b.address);
const BASE = functions[0]?.address ?? 0;
const END = functions.at(-1)?.address ?? 0;
/** For each address from BASE on its function, as an index. */
const at = new Uint16Array(END - BASE);
functions.forEach(({ address }, index) => void at.fill(index, address - BASE));

let words: Int32Array | undefined;
let memory: WebAssembly.Memory | undefined;
let executed = 0;
let last = 0;
let idle = 0;
/** Instructions since the start. */
function instructions(): number {
  if (words === undefined || memory === undefined) return 0;
  if (words.length === 0) words = new Int32Array(memory.buffer);
  const counter = (words[COUNTER] ?? 0) >>> 0;
  executed += (counter - last) >>> 0;
  last = counter;
  return executed;
}
performance.now = () => instructions() / INSTRUCTIONS_PER_MS + idle;

/** How often one function followed another, by both as one number; undefined while nothing is counted. */
let steps: Map<number, number> | undefined;
let before = -1;
function block(): void {
  if (steps === undefined || words === undefined) return;
  const address = (words[INSTRUCTION_POINTER] ?? 0) >>> 0;
  const now = address >= BASE && address < END ? (at[address - BASE] ?? -1) : -1;
  if (now !== before && now >= 0 && before >= 0) {
    const step = before * 0x10000 + now;
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  before = now;
}

const instantiate = WebAssembly.instantiate;
/** v86 with slices of one block, without translation. */
async function slowly(bytes: Uint8Array<ArrayBuffer>, imports: WebAssembly.Imports) {
  const changed = bytes.slice();
  for (let i = 0; i + SLICE.length <= changed.length; i++)
    if (SLICE.every((byte, offset) => changed[i + offset] === byte)) changed.set(ONE, i);
  const env = imports.env as Record<string, (...values: number[]) => number>;
  const timers = env.run_hardware_timers;
  let turn = 0;
  let wait = 0;
  env.run_hardware_timers = (...values) => {
    block();
    const halted = memory !== undefined && new Uint8Array(memory.buffer)[HALTED] !== 0;
    if (halted || (turn++ & 0xff) === 0) wait = timers?.(...values) ?? 0;
    return wait;
  };
  const { instance, module } = await instantiate(changed, imports);
  const { exports } = instance;
  memory = exports.memory as WebAssembly.Memory;
  words = new Int32Array(memory.buffer);
  const configure = exports.set_jit_config as (index: number, value: number) => void;
  configure(0, 1);
  const loop = exports.main_loop as () => number;
  const own = {
    ...exports,
    set_jit_config: () => {},
    main_loop: () => {
      const milliseconds = loop();
      if (milliseconds > 0) idle += Math.min(milliseconds, 20);
      return milliseconds;
    },
  };
  return { instance: { exports: own }, module };
}
WebAssembly.instantiate = slowly as unknown as typeof WebAssembly.instantiate;

const file = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));

async function boot(options: (typeof MACHINES)[number]): Promise<MicroVm> {
  words = memory = undefined;
  last = 0;
  const vm = await MicroVm.create({
    wasm: file("node_modules/v86/build/v86.wasm"),
    kernel: { name: "vmlinux.gz", bytes: file("public/guest/vmlinux.gz") },
    initrd: [{ name: "initramfs.cpio.gz", bytes: file("public/guest/initramfs.cpio.gz") }],
    ...options,
  });
  vm.stopCapture();
  vm.start();
  await vm.exec("true");
  return vm;
}

async function untilExecuted(count: number): Promise<void> {
  const start = instructions();
  while (instructions() - start < count) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Adds the steps of some work to those that were counted before. */
async function count(vm: MicroVm, work: Work, counted: Map<number, number>): Promise<void> {
  const abort = new AbortController();
  const options: ExecOptions = { signal: abort.signal };
  const ended = vm.exec(`exec >/dev/null 2>&1; ${work.command}`, options).catch(() => {});
  await untilExecuted(LEAD_IN);
  before = -1;
  steps = counted;
  await untilExecuted(work.instructions);
  steps = undefined;
  abort.abort();
  await ended;
}

const order: number[] = [];
function place(what: string, counted: ReadonlyMap<number, number>): void {
  const placed = new Set(order);
  const found = chains(counted).filter((index) => !placed.has(index));
  order.push(...found);
  console.error(`${what}: ${found.length} functions more`);
}

const together = new Map<number, number>();
for (const machine of MACHINES) {
  const vm = await boot(machine);
  await count(vm, FIRST, together);
  await vm.destroy();
}
place(FIRST.command, together);
const vm = await boot(MACHINES[0]);
for (const work of WORK) {
  const counted = new Map<number, number>();
  await count(vm, work, counted);
  place(work.command, counted);
}
for (const name of new Set(order.map((index) => functions[index]?.name))) console.log(name);
process.exit(0);

/**
 * The functions in the order of Pettis and Hansen ("Profile guided code positioning", PLDI 1990): those that follow one another
 * most often become a chain, then chains are joined in the same way, each time with the ends together that have most to
 * do with each other.
 */
function chains(counted: ReadonlyMap<number, number>): number[] {
  const total = [...counted.values()].reduce((sum, times) => sum + times, 0);
  const edges = new Map<string, number>();
  const near = new Map<number, Map<number, number>>();
  const size = (index: number): number =>
    (functions[index + 1]?.address ?? END) - (functions[index]?.address ?? END);
  for (const [step, times] of counted) {
    if (times * RARE < total) continue;
    const [from, to] = [Math.floor(step / 0x10000), step % 0x10000];
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      const of = near.get(one) ?? new Map<number, number>();
      of.set(other, (of.get(other) ?? 0) + times);
      near.set(one, of);
    }
  }
  const lists = new Map<number, number[]>([...near.keys()].map((index) => [index, [index]]));
  for (const [one, of] of near)
    for (const [other, times] of of) if (one < other) edges.set(`${one} ${other}`, times);
  while (edges.size > 0) {
    const [heaviest = ""] = [...edges].reduce((most, edge) => (edge[1] > most[1] ? edge : most));
    const [a = 0, b = 0] = heaviest.split(" ").map(Number);
    lists.set(a, closest(lists.get(a) ?? [], lists.get(b) ?? []));
    lists.delete(b);
    for (const [edge, times] of [...edges]) {
      const ends = edge.split(" ").map(Number);
      if (!ends.includes(b)) continue;
      edges.delete(edge);
      const [one = 0, other = 0] = ends.map((end) => (end === b ? a : end)).sort((x, y) => x - y);
      if (one !== other) edges.set(`${one} ${other}`, (edges.get(`${one} ${other}`) ?? 0) + times);
    }
  }
  const weight = (list: readonly number[]): number =>
    list.reduce((sum, index) => sum + [...(near.get(index)?.values() ?? [])].reduce((x, y) => x + y, 0), 0);
  return [...lists.values()].sort((x, y) => weight(y) - weight(x)).flat();

  /** Both lists as one, each forwards or backwards. */
  function closest(first: readonly number[], second: readonly number[]): number[] {
    let most = -1;
    let best: number[] = [];
    for (const x of [first, first.toReversed()])
      for (const y of [second, second.toReversed()]) {
        const joined = [...x, ...y];
        const place = new Map<number, number>();
        let address = 0;
        for (const index of joined) {
          place.set(index, address);
          address += size(index);
        }
        let score = 0;
        for (const index of x)
          for (const [other, times] of near.get(index) ?? [])
            if (second.includes(other))
              score += times / (1 + Math.abs((place.get(index) ?? 0) - (place.get(other) ?? 0)));
        if (score > most) [most, best] = [score, joined];
      }
    return best;
  }
}

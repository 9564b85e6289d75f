/**
 * The journey of one packet: one request and its response, picked out of a trace and told as steps in lanes. What a step
 * says was recorded, unless it is marked as inferred: between two exits the guest runs unseen.
 */
import {
  type AccessEvent,
  describeEvent,
  type InterruptMode,
  type TraceEvent,
  type TransportKind,
} from "../../src/index.ts";

/** Who does something, from left to right. */
export const LANES = [
  "guest user",
  "guest kernel",
  "device registers",
  "virtqueue",
  "in-page peer",
  "interrupt controller",
  "CPU",
] as const;
export type Lane = (typeof LANES)[number];

/** The steps that there can be, in the order in which they come. The same step has the same row in both modes. */
export const STEPS = {
  send: { lane: "guest user", title: "The program sends its request" },
  publish: { lane: "guest kernel", title: "The driver publishes the frame" },
  notify: { lane: "device registers", title: "The driver rings the doorbell" },
  "transmit-taken": { lane: "virtqueue", title: "The device takes the chain" },
  "frame-out": { lane: "in-page peer", title: "The request reaches the peer" },
  "frame-in": { lane: "in-page peer", title: "The peer answers" },
  "receive-taken": { lane: "virtqueue", title: "The device takes a receive buffer" },
  "receive-used": { lane: "virtqueue", title: "The response is in the used ring" },
  "transmit-used": { lane: "virtqueue", title: "The request's chain is given back" },
  raise: { lane: "device registers", title: "InterruptStatus gets its bit" },
  "line-up": { lane: "interrupt controller", title: "The wired line goes up" },
  message: { lane: "interrupt controller", title: "A message is sent" },
  requested: { lane: "interrupt controller", title: "The local APIC has the request" },
  taken: { lane: "CPU", title: "The CPU takes the interrupt" },
  handler: { lane: "guest kernel", title: "The handler begins" },
  status: { lane: "device registers", title: "The driver asks why" },
  acknowledge: { lane: "device registers", title: "The driver acknowledges" },
  "line-down": { lane: "interrupt controller", title: "The wired line goes down" },
  eoi: { lane: "CPU", title: "The interrupt ends" },
  poll: { lane: "guest kernel", title: "The driver takes the response" },
  receive: { lane: "guest user", title: "The program has its response" },
} as const satisfies Record<string, { readonly lane: Lane; readonly title: string }>;
export type StepKey = keyof typeof STEPS;
export const STEP_KEYS = Object.keys(STEPS) as StepKey[];

/** What happened at a step of one journey. */
export interface Step {
  readonly key: StepKey;
  /** In words, with the names and values that occurred. */
  readonly text: string;
  /** Not recorded: it has to have happened. */
  readonly inferred: boolean;
  /** It was an exit. */
  readonly exit: boolean;
  /** Guest instructions since the request's doorbell; undefined for what was not observed. */
  readonly instructions: number | undefined;
  /** It happened within so many guest instructions before that. */
  readonly within: number;
}

/** One request with its response. */
export interface Journey {
  readonly transport: TransportKind;
  readonly interrupts: InterruptMode;
  readonly steps: ReadonlyMap<StepKey, Step>;
  /** Counted from the events of this one request. */
  readonly exits: number;
  readonly statusReads: number;
  readonly acknowledgements: number;
  readonly interruptsRaised: number;
  /** Guest instructions from this doorbell to the next request's. */
  readonly instructions: number;
  /** Requests in the trace that went the same way, and all of them. */
  readonly alike: number;
  readonly requests: number;
}

const DEVICE = "net0";
const RR_PORT = 12865;
const STATUS_REGISTERS: readonly string[] = ["InterruptStatus", "isr"];

const isAccess = (event: TraceEvent): event is AccessEvent =>
  (event.kind === "read" || event.kind === "write") && event.device === DEVICE;

/** The events of one request: from the doorbell that carried it until the one that carried the next. */
interface Request {
  readonly events: readonly TraceEvent[];
  /** Guest instructions until the next one. */
  readonly instructions: number;
}

function requests(events: readonly TraceEvent[], bytes: number): Request[] {
  const starts: number[] = [];
  let doorbell = 0;
  events.forEach((event, at) => {
    if (isAccess(event) && event.kind === "write") doorbell = at;
    if (event.kind === "frame-out" && event.destinationPort === RR_PORT && event.payload === bytes) {
      if (starts.at(-1) !== doorbell) starts.push(doorbell);
    }
  });
  const at = (start: number | undefined): number => events[start ?? 0]?.instructions ?? 0;
  return starts.slice(0, -1).map((start, i) => ({
    events: events.slice(start, starts[i + 1]),
    instructions: at(starts[i + 1]) - at(start),
  }));
}

/** The registers that a request cost, which tells one way from another. */
const way = (events: readonly TraceEvent[]): string =>
  events
    .filter(isAccess)
    .map(({ kind, register }) => `${kind} ${register}`)
    .join(", ");

/** A request's own interrupt: what was requested within its doorbell. Others, as the timer's, are not of the journey. */
function ownVector(events: readonly TraceEvent[]): number | undefined {
  for (const event of events) if (event.kind === "requested") return event.vector;
  return undefined;
}

/**
 * Picks one request out of a trace: of the way that most of them went, and of those in which least else happened, the one of
 * middling length. Undefined when there is no whole request in it.
 */
export function pickJourney(
  events: readonly TraceEvent[],
  transport: TransportKind,
  bytes: number,
): Journey | undefined {
  const all = requests(events, bytes);
  const groups = new Map<string, Request[]>();
  for (const one of all) {
    // A response that did not come within its request's time belongs to another kind of traffic.
    if (!one.events.some(({ kind }) => kind === "frame-in") || ownVector(one.events) === undefined) continue;
    const key = way(one.events);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const most = [...groups.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  const fewest = Math.min(...most.map((one) => one.events.length));
  const plain = most
    .filter((one) => one.events.length === fewest)
    .sort((a, b) => a.instructions - b.instructions);
  const chosen = plain[plain.length >> 1];
  return chosen && tell(chosen, transport, most.length, all.length);
}

function tell(request: Request, transport: TransportKind, alike: number, total: number): Journey {
  const { events } = request;
  const vector = ownVector(events);
  const start = events[0]?.instructions ?? 0;
  const steps = new Map<StepKey, Step>();
  const add = (key: StepKey, event: TraceEvent, text = describeEvent(event)): void => {
    if (steps.has(key)) return;
    const exit = event.kind === "read" || event.kind === "write";
    const within = "within" in event ? event.within : 0;
    steps.set(key, {
      key,
      text,
      inferred: false,
      exit,
      instructions: event.instructions - start,
      within,
    });
  };
  const infer = (key: StepKey, text: string): void => {
    steps.set(key, { key, text, inferred: true, exit: false, instructions: undefined, within: 0 });
  };
  let transmitQueue: number | undefined;
  for (const event of events) {
    switch (event.kind) {
      case "write":
        if (event.device !== DEVICE) break;
        add(event.register === "InterruptACK" ? "acknowledge" : "notify", event);
        break;
      case "read":
        if (event.device === DEVICE && STATUS_REGISTERS.includes(event.register)) add("status", event);
        break;
      case "doorbell":
        if (event.device === DEVICE) transmitQueue ??= event.queue;
        break;
      case "available":
        if (event.device !== DEVICE) break;
        add(event.queue === transmitQueue ? "transmit-taken" : "receive-taken", event);
        break;
      case "used":
        if (event.device !== DEVICE) break;
        add(event.queue === transmitQueue ? "transmit-used" : "receive-used", event);
        break;
      case "frame-out":
      case "frame-in":
        add(event.kind, event);
        break;
      case "raised":
        if (event.device === DEVICE) add("raise", event);
        break;
      case "line":
        if (event.device === DEVICE) add(event.level ? "line-up" : "line-down", event);
        break;
      case "message":
        if (event.device === DEVICE) add("message", event);
        break;
      case "requested":
      case "taken":
      case "eoi":
        if (event.vector === vector) add(event.kind, event);
        break;
      default:
        break;
    }
  }
  const taken = events.find(
    (event) => event.kind === "available" && event.device === DEVICE && event.queue === transmitQueue,
  );
  const used = events.find(
    (event) => event.kind === "used" && event.device === DEVICE && event.queue !== transmitQueue,
  );
  const sent = events.find((event) => event.kind === "frame-out");
  const response = events.find((event) => event.kind === "frame-in");
  const bytes = (event: TraceEvent | undefined): string =>
    event?.kind === "frame-out" || event?.kind === "frame-in" ? `${event.payload} bytes` : "the data";
  infer("send", `tcp_rr writes ${bytes(sent)} to its socket.`);
  infer(
    "publish",
    taken?.kind === "available"
      ? `TCP and IP make a frame of it; the driver puts chain ${taken.head}, ${taken.readable} bytes, into the available ring of queue ${taken.queue}. That is a write to memory: no exit.`
      : "The driver puts the frame into the available ring. That is a write to memory: no exit.",
  );
  infer(
    "handler",
    vector === undefined
      ? "The kernel's interrupt handler runs."
      : `The kernel runs the handler of vector 0x${vector.toString(16)}.`,
  );
  infer(
    "poll",
    used?.kind === "used"
      ? `The driver finds chain ${used.head} with ${used.written} bytes in the used ring, and TCP has the response. Reads of memory: no exit.`
      : "The driver finds the response in the used ring. Reads of memory: no exit.",
  );
  infer("receive", `tcp_rr reads ${bytes(response)} from its socket, and its next request begins.`);
  const accesses = events.filter(isAccess);
  const count = (wanted: (event: AccessEvent) => boolean): number => accesses.filter(wanted).length;
  return {
    transport,
    interrupts: steps.has("message") ? "msi" : "wired",
    steps,
    exits: accesses.length,
    statusReads: count(({ kind, register }) => kind === "read" && STATUS_REGISTERS.includes(register)),
    acknowledgements: count(({ kind, register }) => kind === "write" && register === "InterruptACK"),
    interruptsRaised: events.filter(
      (event) =>
        "device" in event &&
        event.device === DEVICE &&
        ((event.kind === "message" && event.outcome === "delivered") ||
          (event.kind === "line" && event.level)),
    ).length,
    instructions: request.instructions,
    alike,
    requests: total,
  };
}

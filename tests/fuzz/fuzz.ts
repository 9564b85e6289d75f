import type { MockMemory } from "../../src/virtio/testing/mock-memory.ts";
import { TRANSPORT_NAMES, type TransportName } from "../../src/virtio/testing/mock-rig.ts";
import { SUBJECT_NAMES, SUBJECTS, type Subject, type SubjectName } from "../hostile/subjects.ts";
import { mix, Random } from "./random.ts";
import { fuzzMemory, replay } from "./replay.ts";
import { generate, type Sequence } from "./sequence.ts";
import { shrink } from "./shrink.ts";

/** A sequence that violates something, as small as it could be made. */
export interface Finding {
  readonly seed: number;
  /** Which sequence of its device and transport, counted from 0. */
  readonly index: number;
  readonly violation: string;
  readonly sequence: Sequence;
}

/** One device on one transport, and how many sequences it has had. */
export interface Course {
  readonly device: SubjectName;
  readonly transport: TransportName;
  sequences: number;
}

/** Every device on every transport, or those of the given names. */
export function courses(device?: SubjectName, transport?: TransportName): Course[] {
  return SUBJECT_NAMES.flatMap((name) =>
    TRANSPORT_NAMES.map((carrier) => ({ device: name, transport: carrier })),
  )
    .filter((course) => (device ?? course.device) === course.device)
    .filter((course) => (transport ?? course.transport) === course.transport)
    .map((course) => ({ ...course, sequences: 0 }));
}

/** Sequence number `index` of a seed, for one device and transport. */
export function sequenceOf(
  seed: number,
  { device, transport }: Omit<Course, "sequences">,
  index: number,
): Sequence {
  const number = SUBJECT_NAMES.indexOf(device) * TRANSPORT_NAMES.length + TRANSPORT_NAMES.indexOf(transport);
  return generate(new Random(mix(seed, number, index)), device, transport, QUEUES[device]);
}

const QUEUES = Object.fromEntries(
  SUBJECT_NAMES.map((name) => [name, SUBJECTS[name]().device.queueSizes.length]),
) as Record<SubjectName, number>;

/** Plays the next `count` sequences of a course; what it found, if anything. */
export function play(
  seed: number,
  course: Course,
  count: number,
  memory: MockMemory = fuzzMemory(),
  make: () => Subject = SUBJECTS[course.device],
): Finding | undefined {
  for (const end = course.sequences + count; course.sequences < end; course.sequences++) {
    const sequence = sequenceOf(seed, course, course.sequences);
    const violation = replay(sequence, memory, make());
    if (violation === undefined) continue;
    // The same thing, whatever figures it comes with: a smaller sequence may violate something else.
    const kind = (text: string | undefined): string | undefined => text?.replace(/\d+/g, "");
    const small = shrink(sequence, (smaller) => kind(replay(smaller, memory, make())) === kind(violation));
    return {
      seed,
      index: course.sequences,
      violation: replay(small, memory, make()) ?? violation,
      sequence: small,
    };
  }
  return undefined;
}

/** A finding as a test, ready to be pasted. */
export function asSpec({ seed, index, violation, sequence }: Finding): string {
  const { device, transport, wild, ops } = sequence;
  const lines = ops.map((op) => `        ${JSON.stringify(op)},`).join("\n");
  return `// Seed ${seed}, sequence ${index}: ${violation}
it("the ${device} device on ${transport} survives: ${violation.replaceAll('"', "'")}", () => {
  expect(
    replay({
      device: "${device}",
      transport: "${transport}",
      wild: ${wild},
      ops: [
${lines}
      ],
    }),
  ).toBeUndefined();
});
`;
}

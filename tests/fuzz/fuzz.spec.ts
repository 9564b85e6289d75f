import { describe, expect, it } from "vitest";
import type { Virtqueue } from "../../src/virtio/queue/virtqueue.ts";
import type { DeviceContext, VirtioDevice } from "../../src/virtio/types.ts";
import { SUBJECTS, type Subject } from "../hostile/subjects.ts";
import { asSpec, courses, play } from "./fuzz.ts";
import { fuzzMemory, replay } from "./replay.ts";

const SEED = 1;
const SEQUENCES = 1000;

describe("the fuzzer", () => {
  it.each(courses())("finds nothing in the $device device on $transport", (course) => {
    const finding = play(SEED, course, SEQUENCES);
    expect(finding && asSpec(finding)).toBeUndefined();
    expect(course.sequences).toBe(SEQUENCES);
  });

  it("plays the same sequences for the same seed", () => {
    const [course] = courses("net", "mmio 2");
    if (course === undefined) throw new Error("no course");
    const sizes = (): number[] => {
      const sizes: number[] = [];
      play(SEED, { ...course }, 50, fuzzMemory(), () => {
        const subject = SUBJECTS.net();
        return { ...subject, disturb: (kind, amount) => sizes.push(kind, amount) };
      });
      return sizes;
    };
    expect(sizes().length).toBeGreaterThan(50);
    expect(sizes()).toEqual(sizes());
  });
});

/** The entropy device with something wrong with it. */
function broken(change: (device: VirtioDevice) => Partial<VirtioDevice>): () => Subject {
  return () => {
    const subject = SUBJECTS.rng();
    const { device } = subject;
    let context: DeviceContext | undefined;
    Object.assign(device, { queue: () => context?.queues[0] });
    const activate = device.activate.bind(device);
    Object.assign(device, {
      activate: (given: DeviceContext) => {
        context = given;
        activate(given);
      },
    });
    return { ...subject, device: Object.assign(device, change(device)) };
  };
}

const queueOf = (device: VirtioDevice): Virtqueue | undefined =>
  (device as VirtioDevice & { queue(): Virtqueue | undefined }).queue();

describe("a device that is wrong in one thing is found out: it", () => {
  const [course] = courses("rng", "mmio 3 msi");
  if (course === undefined) throw new Error("no course");
  const find = (make: () => Subject) => play(SEED, { ...course }, 3000, fuzzMemory(), make);

  it("keeps a chain, and the sequence that shows it is as short as can be", () => {
    const finding = find(broken((device) => ({ notify: () => void queueOf(device)?.pop() })));
    expect(finding?.violation).toMatch(/no service|did not come back/);
    expect(finding?.sequence.ops.length).toBeLessThanOrEqual(4);
  });

  it("looks at the ring again and again", () => {
    const finding = find(
      broken((device) => ({
        notify: () => {
          for (let i = 0; i < 10_000; i++) queueOf(device)?.available();
        },
      })),
    );
    expect(finding?.violation).toMatch(/accesses to memory/);
  });

  it("writes where the driver has nothing", () => {
    const memory = fuzzMemory();
    const make = broken((device) => {
      const notify = device.notify.bind(device);
      return {
        notify: (index) => {
          memory.writeU8(16, 1);
          notify(index);
        },
      };
    });
    expect(play(SEED, { ...course }, 3000, memory, make)?.violation).toMatch(/no driver ever named/);
  });

  it("throws", () => {
    const finding = find(
      broken(() => ({
        notify: () => {
          throw new RangeError("a bug");
        },
      })),
    );
    expect(finding?.violation).toMatch(/a bug/);
  });

  it("does not recover", () => {
    const finding = find(() => ({ ...SUBJECTS.rng(), serves: () => false }));
    expect(finding?.violation).toBe("no service after a reset");
    expect(finding?.sequence.ops).toEqual([]);
  });
});

describe("a finding", () => {
  it("is printed as a test that can be pasted", () => {
    const sequence = {
      device: "rng",
      transport: "mmio 2",
      wild: false,
      ops: [
        ["initialise", 0, 0, 0, 7],
        ["kick", 0],
      ],
    } as const;
    const text = asSpec({ seed: 5, index: 7, violation: "3 accesses", sequence });
    expect(text).toContain('["initialise",0,0,0,7],\n        ["kick",0],');
    expect(text).toContain("// Seed 5, sequence 7: 3 accesses");
    expect(replay(sequence)).toBeUndefined();
  });
});

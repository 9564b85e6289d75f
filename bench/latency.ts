/**
 * `bench latency`: how long the page makes a person wait. Keys are pressed in the page's terminal, in a headless Chromium, with
 * the guest waiting and with the guest busy.
 */
import type { MicroVm } from "../src/index.ts";
import { environment } from "./environment.ts";
import type { CommonSettings } from "./flags.ts";
import type { Progress } from "./fleet.ts";
import type { Outcome } from "./report.ts";
import { openSite, visit } from "./site.ts";
import { quantile } from "./statistics.ts";
import { figure, markdownTable } from "./table.ts";

const PRESSES = 150;
/** Milliseconds between two presses: somebody who types fast, and never in step with frames. */
const PAUSE = { least: 20, most: 70 } as const;

/** What the guest does meanwhile, each started anew in every round. */
const LOADS = {
  "guest waiting": undefined,
  "guest busy": "while :; do :; done",
  "guest busy with tcp_rr": "tcp_rr -H 10.0.2.2 -l 9999 -r 32,1024",
} as const;
type Load = keyof typeof LOADS;

/** Milliseconds from the press, by the browser's stamp of the event. */
interface Press {
  /** Until the page's handler runs. */
  readonly handler: number;
  /** Until the guest's echo has come out of its console. */
  readonly echo: number;
  /** Until the end of the frame after that. */
  readonly frame: number;
}
const POINTS = ["handler", "echo", "frame"] as const;
const WORDS = { handler: "event handler", echo: "echo from the guest", frame: "frame with it" } as const;

/** In the page. */
interface Probe {
  readonly doorbell: MicroVm;
  presses: Press[];
  endLoad: (() => void) | undefined;
}

export async function runLatency(settings: CommonSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const presses = new Map<Load, Press[]>();
  const site = await openSite();
  try {
    const { page } = await visit(await site.browser.newContext(), site.url);
    await page.evaluate(() => {
      const probe = globalThis as unknown as Probe;
      probe.presses = [];
      let pressed: { at: number; handler: number } | undefined;
      addEventListener(
        "keydown",
        ({ timeStamp }) => {
          pressed = { at: timeStamp, handler: performance.now() - timeStamp };
        },
        true,
      );
      probe.doorbell.console.onOutput(() => {
        if (!pressed) return;
        const { at, handler } = pressed;
        pressed = undefined;
        const echo = performance.now() - at;
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            probe.presses.push({ handler, echo, frame: performance.now() - at });
            port1.close();
          };
          port2.postMessage(null);
        });
      });
    });
    for (let round = 1; round <= settings.rounds; round++) {
      for (const [load, command] of Object.entries(LOADS) as [Load, string | undefined][]) {
        await page.evaluate((line) => {
          const probe = globalThis as unknown as Probe;
          probe.presses = [];
          if (line === undefined) return;
          const abort = new AbortController();
          void probe.doorbell.exec(line, { signal: abort.signal });
          probe.endLoad = () => abort.abort();
        }, command);
        await page.waitForTimeout(1000);
        await page.evaluate(() => document.querySelector("doorbell-terminal")?.focus());
        for (let press = 0; press < PRESSES; press++) {
          await page.keyboard.press(press % 2 === 0 ? "x" : "Backspace");
          await page.waitForTimeout(PAUSE.least + Math.random() * (PAUSE.most - PAUSE.least));
        }
        await page.waitForTimeout(500);
        const found = await page.evaluate(() => {
          const probe = globalThis as unknown as Probe;
          probe.endLoad?.();
          probe.endLoad = undefined;
          return probe.presses;
        });
        presses.set(load, [...(presses.get(load) ?? []), ...found]);
        progress(
          `round ${round} of ${settings.rounds}, ${load}: ${found.length} presses, echo after ` +
            `${figure(
              quantile(
                found.map(({ echo }) => echo),
                0.5,
              ),
            )} ms`,
        );
      }
    }
    env.kernel = await page.evaluate(async () => {
      let text = "";
      await (globalThis as unknown as Probe).doorbell.exec("uname -r", {
        onStdout: (bytes) => {
          text += new TextDecoder().decode(bytes);
        },
      });
      return text.trim();
    });
  } finally {
    await site.close();
  }
  const of = (load: Load, point: (typeof POINTS)[number], part: number): number =>
    quantile(
      (presses.get(load) ?? []).map((press) => press[point]),
      part,
    );
  const loads = [...presses.keys()];
  return {
    report: {
      schema: 1,
      benchmark: "latency",
      environment: env,
      modelledExitCostNs: [0],
      notes: [],
      summary: Object.fromEntries(
        loads.map((load) => [
          load,
          Object.fromEntries(
            POINTS.flatMap((point) => [
              [`${WORDS[point]} p50 ms`, of(load, point, 0.5)],
              [`${WORDS[point]} p99 ms`, of(load, point, 0.99)],
            ]),
          ),
        ]),
      ),
      details: { rounds: settings.rounds, presses: Object.fromEntries(presses) },
    },
    body: [
      `${PRESSES} key presses in each of ${settings.rounds} rounds, in the page's terminal; milliseconds from the press ` +
        `(median, 99th percentile) to`,
      markdownTable(
        ["", ...POINTS.map((point) => WORDS[point]), "presses"],
        loads.map((load) => [
          load,
          ...POINTS.map((point) => `${of(load, point, 0.5).toFixed(1)}, ${of(load, point, 0.99).toFixed(1)}`),
          String(presses.get(load)?.length ?? 0),
        ]),
      ),
    ].join("\n\n"),
  };
}

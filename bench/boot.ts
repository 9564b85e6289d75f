/**
 * `bench boot`: time and guest instructions from the call to the points that people wait for; beside it v86's own way to
 * boot the same kernel; in a browser also the page itself, from the click.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readUserFile } from "../src/cli/files.ts";
import { environment } from "./environment.ts";
import type { BootSettings } from "./flags.ts";
import { bootOne, kernelOf, type Progress } from "./fleet.ts";
import { BenchMachine, type Place } from "./machine.ts";
import type { BootMoment, PeerImage } from "./protocol.ts";
import type { Outcome } from "./report.ts";
import { median, pairedRatio, spread } from "./statistics.ts";
import { figure, hundredths, markdownTable, spreadText } from "./table.ts";

const BUILT_BZIMAGE = fileURLToPath(new URL("../guest-images/.build/bzImage", import.meta.url));

const MOMENTS = ["started", "first-access", "kernel", "console", "network", "first-word", "prompt"] as const;
const WORDS: Record<(typeof MOMENTS)[number], string> = {
  started: "first instruction",
  "first-access": "first register access",
  kernel: "kernel's console driver",
  console: "/init's console",
  network: "network",
  "first-word": "first byte on the serial port",
  prompt: "prompt",
};

/** Visits of one person: the second has the machine of the first, the third also the scripts as the browser compiled them. */
const VISITS = ["page, first visit", "page, second visit", "page, third visit"] as const;

export interface BootMeasurement {
  /** A column, or "peer: ...", or a visit of the page. */
  readonly row: string;
  readonly round: number;
  readonly moments: readonly BootMoment[];
  /** Of bodies with HTTP compression; visits only. */
  readonly bytes?: number;
}

export async function runBoot(settings: BootSettings, progress: Progress): Promise<Outcome> {
  const env = environment();
  const notes: string[] = [];
  const measurements: BootMeasurement[] = [];
  const add = (row: string, round: number, moments: readonly BootMoment[], bytes?: number): void => {
    measurements.push({ row, round, moments, ...(bytes === undefined ? {} : { bytes }) });
    const prompt = moments.find(({ what }) => what === "prompt");
    progress(
      `round ${round} of ${settings.rounds}, ${row}: ${figure(prompt?.milliseconds ?? Number.NaN)} ms`,
    );
  };
  const leaveOut = (row: string, why: string): void => {
    notes.push(`${row} is left out: ${why}`);
    progress(`${row} is left out: ${why}`);
  };
  const peer = await peerImage(settings);
  if (typeof peer === "string") leaveOut("The peer", peer);
  const out = new Set<string>();
  const visits = settings.place === "chromium" ? await pageVisits() : undefined;
  try {
    for (let round = 1; round <= settings.rounds; round++) {
      for (const column of settings.columns.filter((name) => !out.has(name))) {
        const booted = await bootOne(column, settings.place);
        if (typeof booted === "string") {
          leaveOut(column, booted);
          out.add(column);
          continue;
        }
        if (env.kernel === "unknown") env.kernel = await kernelOf([booted]);
        await booted.machine.end();
        add(column, round, booted.moments);
      }
      if (typeof peer !== "string" && !out.has(peer.row)) {
        const moments = await bootPeer(settings.place, peer.image);
        if (typeof moments === "string") {
          leaveOut(peer.row, moments);
          out.add(peer.row);
        } else add(peer.row, round, moments);
      }
      if (visits) for (const { row, moments, bytes } of await visits.round()) add(row, round, moments, bytes);
    }
  } finally {
    await visits?.close();
  }
  const rows = [...new Set(measurements.map(({ row }) => row))];
  const ratio = typeof peer === "string" ? [] : ratios(measurements, rows, peer.row);
  return {
    report: {
      schema: 1,
      benchmark: "boot",
      environment: env,
      modelledExitCostNs: [0],
      notes,
      summary: summarizeBoots(measurements, rows),
      details: { rounds: settings.rounds, measurements },
    },
    body: [
      `${settings.rounds} interleaved rounds, from the call (page: from the click); each time a new machine in a new ` +
        `${settings.place === "chromium" ? "page" : "thread"}. Median, and range where there is one.`,
      "## Milliseconds",
      table(measurements, rows, "milliseconds", figure),
      ...ratio,
      "## Million guest instructions",
      table(measurements, rows, "guestInstructions", (value) => figure(value / 1e6)),
      ...rows.flatMap((row) => {
        const bytes = measurements.flatMap((one) => (one.row === row ? (one.bytes ?? []) : []));
        return bytes.length === 0 ? [] : [`${row}: ${hundredths(median(bytes) / 2 ** 20)} MiB transferred.`];
      }),
    ].join("\n\n"),
  };
}

/** What the peer boots, or why there is none. */
async function peerImage(settings: BootSettings): Promise<{ row: string; image: PeerImage } | string> {
  if (settings.bzImage === undefined && !existsSync(BUILT_BZIMAGE))
    return "there is no bzImage of our kernel: npm run guest:build leaves one, --bzimage names another.";
  const bytes =
    settings.bzImage === undefined
      ? await readFile(BUILT_BZIMAGE)
      : (await readUserFile("bzimage", settings.bzImage)).bytes;
  const bzImage = Buffer.from(bytes).toString("base64");
  const paths = ["bios.bin", "vgabios-stdvga.bin"].map((name) => join(settings.bios, name));
  if (!paths.every(existsSync)) return { row: "peer: bzImage, entered directly", image: { bzImage } };
  const [system = "", vga = ""] = await Promise.all(paths.map((path) => readFile(path, "base64")));
  return { row: "peer: v86's own way, SeaBIOS", image: { bzImage, bios: { system, vga } } };
}

async function bootPeer(place: Place, image: PeerImage): Promise<readonly BootMoment[] | string> {
  const machine = await BenchMachine.at(place);
  try {
    return await machine.calls.bootPeer(image);
  } catch (error) {
    return (error as Error).message;
  } finally {
    await machine.end();
  }
}

/** Visits of the built page, each round as somebody who was never here: an ordinary browser with a new profile. */
async function pageVisits() {
  const [{ openSite, visit }, { launchProfile }] = await Promise.all([
    import("./site.ts"),
    import("./chromium.ts"),
  ]);
  const site = await openSite();
  return {
    async round(): Promise<{ row: string; moments: BootMoment[]; bytes: number }[]> {
      const profile = await mkdtemp(join(tmpdir(), "doorbell-profile-"));
      const context = await launchProfile(profile);
      const found: { row: string; moments: BootMoment[]; bytes: number }[] = [];
      for (const row of VISITS) {
        const before = site.sent();
        const { page, moments } = await visit(context, site.url);
        found.push({ row, moments, bytes: site.sent() - before });
        // What a page keeps for the next visit, it keeps soon after the prompt.
        await page.waitForTimeout(3000);
        await page.close();
      }
      await context.close();
      await rm(profile, { recursive: true, force: true });
      return found;
    },
    close: () => site.close(),
  };
}

function valuesOf(
  measurements: readonly BootMeasurement[],
  row: string,
  what: string,
  key: "milliseconds" | "guestInstructions",
): number[] {
  return measurements
    .filter((one) => one.row === row)
    .flatMap(({ moments }) => moments.find((moment) => moment.what === what)?.[key] ?? []);
}

/** How long each row takes to the prompt, by the peer's time in the same round. */
function ratios(measurements: readonly BootMeasurement[], rows: readonly string[], peer: string): string[] {
  const times = (row: string): number[] => valuesOf(measurements, row, "prompt", "milliseconds");
  return rows
    .filter((row) => row !== peer && !row.startsWith("page"))
    .flatMap((row) => {
      const ratio = pairedRatio(times(row), times(peer));
      return ratio ? [`Prompt, ${row} by ${peer}: ${spreadText(ratio, hundredths)}.`] : [];
    });
}

function table(
  measurements: readonly BootMeasurement[],
  rows: readonly string[],
  key: "milliseconds" | "guestInstructions",
  text: (value: number) => string,
): string {
  return markdownTable(
    ["", ...MOMENTS.map((what) => WORDS[what])],
    rows.map((row) => [
      row,
      ...MOMENTS.map((what) => {
        const values = valuesOf(measurements, row, what, key);
        return values.length === 0 ? "-" : spreadText(spread(values), text);
      }),
    ]),
  );
}

function summarizeBoots(
  measurements: readonly BootMeasurement[],
  rows: readonly string[],
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    rows.map((row) => [
      row,
      Object.fromEntries([
        ...MOMENTS.flatMap((what): [string, number][] => {
          const milliseconds = valuesOf(measurements, row, what, "milliseconds");
          const instructions = valuesOf(measurements, row, what, "guestInstructions");
          if (milliseconds.length === 0) return [];
          return [
            [`${WORDS[what]} ms`, median(milliseconds)],
            [`${WORDS[what]} million instructions`, median(instructions) / 1e6],
          ];
        }),
        ...measurements.flatMap((one): [string, number][] =>
          one.row === row && one.bytes !== undefined ? [["bytes transferred", one.bytes]] : [],
        ),
      ]),
    ]),
  );
}

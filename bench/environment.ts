/** What a result was measured on: machine, versions, commit, date. */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export interface Environment {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly v86: string;
  /** The guest's. */
  kernel: string;
  /** Of this repository, with "+" when files differ from it; "unknown" without git. */
  readonly commit: string;
  /** Average number of runnable threads over the minute before; above 0 the machine was not quiet. */
  readonly loadBefore: number;
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));

export function environment(): Environment {
  const [first] = cpus();
  const { version } = createRequire(import.meta.url)("v86/package.json") as { version: string };
  return {
    date: new Date().toISOString(),
    cpu: first?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    v86: version,
    kernel: "unknown",
    commit: commit(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function commit(): string {
  try {
    const name = git("rev-parse", "--short=12", "HEAD");
    // Results of earlier runs lie beside the source and change nothing of it.
    const changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results");
    return changed === "" ? name : `${name}+`;
  } catch {
    return "unknown";
  }
}

function git(...args: string[]): string {
  return execFileSync("git", args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}

/** The same as lines of Markdown. */
export function environmentText(of: Environment): string {
  return [
    `${of.date.slice(0, 16).replace("T", " ")} UTC, commit ${of.commit}.`,
    `${of.cpu}, ${of.cores} cores, ${of.memoryGiB} GiB, ${of.platform}, load before ${of.loadBefore}.`,
    `Node ${of.node}, v86 ${of.v86}, guest kernel ${of.kernel}.`,
  ].join("\n");
}

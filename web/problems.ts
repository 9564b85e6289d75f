/** What the page says when there is no machine that runs: what happened, and what to do. */
import type { StopReason } from "../src/index.ts";
import type { Problem } from "./page-state.ts";
import { sentence } from "./words.ts";

const KEPT = "The counters and the capture are kept until then.";

/** For a machine that stopped by itself. */
export function stopProblem(reason: StopReason): Problem {
  const detail = sentence(reason.message);
  switch (reason.kind) {
    case "guest-halted":
      return {
        title: "The guest is off",
        detail,
        remedy: `Start it again when you like. ${KEPT}`,
        action: "Start",
      };
    case "guest-panic":
      return {
        title: "Linux has panicked",
        detail,
        remedy: `What it said before stands in the terminal; a restart boots it anew. ${KEPT}`,
        action: "Restart",
      };
    case "cpu-fault":
      return {
        title: "The machine stopped on a fault",
        detail,
        remedy: `A restart boots it anew. ${KEPT}`,
        action: "Restart",
      };
    default:
      return {
        title: "The guest has stopped",
        detail,
        remedy: `A restart boots it anew. ${KEPT}`,
        action: "Restart",
      };
  }
}

/** For a machine that did not come to run. */
export function startProblem(downloading: boolean, error: unknown): Problem {
  return downloading
    ? {
        title: "The download failed",
        detail: sentence(error),
        remedy: "Check the connection, then try again: what was already downloaded is kept.",
        action: "Try again",
      }
    : {
        title: "The machine did not start",
        detail: sentence(error),
        remedy: "Try again; if that does not help, reload the page in an up-to-date browser.",
        action: "Try again",
      };
}

/** The numbered lines that the guest prints on its console, and the check that they come whole, in order and once. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** Lines in a row, and the guest's microseconds between two such rows: some 40 kB/s. */
const BATCH = 50;
const PAUSE_US = 100_000;
/** As long as this file is not there, the guest goes on printing. */
const STOP_FILE = "/tmp/soak-stop";

/** Line `index` as it comes out of the terminal, which ends lines with CR LF. */
export function consoleLine(index: number): string {
  const start = index % ALPHABET.length;
  return `soak ${String(index).padStart(9, "0")} ${ALPHABET.slice(start)}${ALPHABET.slice(0, start)}\r\n`;
}

/** Prints the lines on the console until {@link STOP_PRINTING}; its own output is how many it has printed. */
export const PRINT_LINES = `rm -f ${STOP_FILE}; awk 'BEGIN {
  a = "${ALPHABET}${ALPHABET}"
  for (i = 0; ; i++) {
    if (i % ${BATCH} == 0 && i > 0) {
      fflush("/dev/hvc0")
      if (system("usleep ${PAUSE_US}; test -e ${STOP_FILE}") == 0) break
    }
    printf "soak %09d %s\\n", i, substr(a, i % ${ALPHABET.length} + 1, ${ALPHABET.length}) > "/dev/hvc0"
  }
  close("/dev/hvc0")
  print i
}'`;

export const STOP_PRINTING = `touch ${STOP_FILE}`;

/** Compares what the console prints with what it has to print, byte by byte, from the first line's beginning on. */
export class ConsoleCheck {
  /** Whole lines that came as they had to. */
  lines = 0;
  bytes = 0;
  /** What was wrong first. */
  problem: string | undefined;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #begun = false;

  take(bytes: Uint8Array): void {
    if (this.problem !== undefined) return;
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    if (!this.#begun) {
      // Before the first line there are a greeting and a prompt.
      const start = this.#rest.indexOf(consoleLine(0).slice(0, 14));
      if (start < 0) return;
      this.#begun = true;
      this.#rest = this.#rest.slice(start);
    }
    for (;;) {
      const expected = consoleLine(this.lines);
      const got = this.#rest.slice(0, expected.length);
      if (!expected.startsWith(got)) {
        this.problem = `console line ${this.lines} is ${JSON.stringify(got)} in place of ${JSON.stringify(expected)}`;
        return;
      }
      if (got.length < expected.length) return;
      this.#rest = this.#rest.slice(expected.length);
      this.lines += 1;
      this.bytes += expected.length;
    }
  }

  /** All has been printed: says what is missing. */
  end(printed: number): void {
    if (this.problem === undefined && (this.lines !== printed || this.#rest !== ""))
      this.problem = `the guest printed ${printed} lines on its console, and ${this.lines} came`;
  }
}

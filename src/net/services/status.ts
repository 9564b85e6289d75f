import { PORTS } from "../addresses.ts";
import { NO_HANDLER_STATE, type Stream, type StreamHandler, type StreamService } from "../service.ts";

/** Longest request head that is read; RFC 9112 section 3 leaves the limit to the server. */
const MAX_HEAD = 8192;
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  505: "HTTP Version Not Supported",
};

/** The counters as plain text: `wget -qO- http://10.0.2.2:8080/` in the guest. One request for each connection. */
export class StatusService implements StreamService {
  readonly name = "status";
  readonly port = PORTS.status;
  readonly counters = { connections: 0, requests: 0 };
  readonly #text: () => string;

  /** @param text gives the page; called once for each request. */
  constructor(text: () => string) {
    this.#text = text;
  }

  open(stream: Stream): StreamHandler {
    this.counters.connections++;
    return this.restore(stream, NO_HANDLER_STATE);
  }

  /** What is kept is as much of a request head as has come. */
  restore(stream: Stream, state: Uint8Array): StreamHandler {
    let head = state.subarray(0, MAX_HEAD);
    return {
      save: () => head,
      data: (bytes) => {
        // A copy: what comes is valid during the call only. One byte more than the limit is enough to know.
        const room = MAX_HEAD + 1 - head.length;
        const joined = new Uint8Array(head.length + Math.min(room, bytes.length));
        joined.set(head);
        joined.set(bytes.subarray(0, room), head.length);
        head = joined;
        const end = headEnd(head);
        if (end < 0 && head.length <= MAX_HEAD) return;
        this.counters.requests++;
        const tooLong: Answer = { status: 431, body: "The request head is too long.\n" };
        stream.write(
          encode(end < 0 ? tooLong : this.#answer(new TextDecoder().decode(head.subarray(0, end)))),
        );
        stream.close();
      },
    };
  }

  #answer(head: string): Answer {
    const lines = head.split(/\r?\n/);
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/(\d)\.(\d)$/.exec(lines[0] ?? "");
    if (match === null) return { status: 400, body: "That is no HTTP request.\n" };
    const [, method, target, major, minor] = match;
    if (major !== "1") return { status: 505, body: "HTTP/1.0 and HTTP/1.1 are spoken here.\n" };
    // RFC 9112 section 3.2: a 1.1 request without exactly one Host field MUST be answered with 400.
    const hosts = lines.filter((line) => /^host:/i.test(line)).length;
    if (hosts > 1 || (hosts === 0 && minor !== "0"))
      return { status: 400, body: "One Host field is needed.\n" };
    if (method !== "GET" && method !== "HEAD")
      return { status: 405, body: "Only GET and HEAD are served.\n" };
    const headOnly = method === "HEAD";
    // Absolute form must be accepted too (RFC 9112 section 3.2.2).
    const path = (target ?? "").replace(/^http:\/\/[^/?]*/i, "").replace(/\?.*$/, "");
    if (path !== "/" && path !== "") return { status: 404, body: "There is only /.\n", headOnly };
    try {
      return { status: 200, body: this.#text(), headOnly };
    } catch {
      // What went wrong is the page's business, not the guest's.
      return { status: 500, body: "The counters could not be read.\n", headOnly };
    }
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Content-Length tells of the body, but the body is not sent (RFC 9110 section 9.3.2). */
  readonly headOnly?: boolean;
}

/**
 * Length of a request head without the empty line that ends it, or -1 when that has not come. A bare LF ends a
 * line too (RFC 9112 section 2.2).
 */
function headEnd(bytes: Uint8Array): number {
  const CR = 13;
  const LF = 10;
  for (let i = bytes.indexOf(LF); i >= 0; i = bytes.indexOf(LF, i + 1)) {
    if (bytes[i + 1] === LF || (bytes[i + 1] === CR && bytes[i + 2] === LF)) return i + 1;
  }
  return -1;
}

function encode({ status, body, headOnly = false }: Answer): Uint8Array {
  const encoder = new TextEncoder();
  const content = encoder.encode(body);
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${content.length}`,
    "Cache-Control: no-store",
    ...(status === 405 ? ["Allow: GET, HEAD"] : []),
    "Connection: close",
    "\r\n",
  ];
  // Head and content in one piece, so that a short page is one segment.
  const head = encoder.encode(lines.join("\r\n"));
  const response = new Uint8Array(head.length + (headOnly ? 0 : content.length));
  response.set(head);
  if (!headOnly) response.set(content, head.length);
  return response;
}

import { describe, expect, it } from "vitest";
import { FakeStream } from "../testing/fakes.ts";
import { StatusService } from "./status.ts";

const encoder = new TextEncoder();

function ask(request: string, text: () => string = () => "transactions: 3 µs\n") {
  const service = new StatusService(text);
  const stream = new FakeStream();
  service.open(stream).data(encoder.encode(request));
  const [head = "", ...rest] = stream.text.split("\r\n\r\n");
  const [statusLine, ...fields] = head.split("\r\n");
  return { service, stream, statusLine, fields, body: rest.join("\r\n\r\n") };
}

describe("StatusService", () => {
  it("answers GET / with the text, its length in bytes, and closes", () => {
    const { stream, statusLine, fields, body } = ask("GET / HTTP/1.1\r\nHost: 10.0.2.2:8080\r\n\r\n");
    expect(statusLine).toBe("HTTP/1.1 200 OK");
    expect(fields).toContain("Content-Type: text/plain; charset=utf-8");
    expect(fields).toContain(`Content-Length: ${encoder.encode("transactions: 3 µs\n").length}`);
    expect(fields).toContain("Connection: close");
    expect(body).toBe("transactions: 3 µs\n");
    expect(stream.writes).toBe(1);
    expect(stream.closed).toBe(true);
  });

  it("understands a query, the absolute form, HTTP/1.0 without a Host field, and bare line feeds", () => {
    for (const request of [
      "GET /?x=1 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET http://10.0.2.2:8080/ HTTP/1.1\r\nHost: 10.0.2.2:8080\r\n\r\n",
      "GET http://10.0.2.2:8080 HTTP/1.1\r\nHost: 10.0.2.2:8080\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
    ]) {
      expect(ask(request).statusLine).toBe("HTTP/1.1 200 OK");
    }
  });

  it("answers HEAD with the head of the same answer and no body", () => {
    const { fields, body } = ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", () => "12345");
    expect(fields).toContain("Content-Length: 5");
    expect(body).toBe("");
  });

  it("answers 404 elsewhere, 405 with Allow to other methods, 505 to other versions", () => {
    expect(ask("GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n").statusLine).toBe("HTTP/1.1 404 Not Found");
    expect(ask("GET // HTTP/1.1\r\nHost: a\r\n\r\n").statusLine).toBe("HTTP/1.1 404 Not Found");
    const post = ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    expect(post.statusLine).toBe("HTTP/1.1 405 Method Not Allowed");
    expect(post.fields).toContain("Allow: GET, HEAD");
    expect(ask("PRI * HTTP/2.0\r\n\r\n").statusLine).toBe("HTTP/1.1 505 HTTP Version Not Supported");
  });

  it("answers 400 to a request without exactly one Host field (RFC 9112 section 3.2 MUST)", () => {
    expect(ask("GET / HTTP/1.1\r\n\r\n").statusLine).toBe("HTTP/1.1 400 Bad Request");
    expect(ask("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n").statusLine).toBe("HTTP/1.1 400 Bad Request");
  });

  it("answers 400 to what is no request", () => {
    for (const request of [
      "\r\n\r\n",
      "hello\r\n\r\n",
      "GET /\r\n\r\n",
      "GET / /b HTTP/1.1\r\nHost: a\r\n\r\n",
      "\0\xff\n\n",
    ]) {
      expect(ask(request).statusLine).toBe("HTTP/1.1 400 Bad Request");
    }
  });

  it("answers 500 when the text cannot be had, without saying why", () => {
    const { statusLine, body } = ask("GET / HTTP/1.0\r\n\r\n", () => {
      throw new Error("secret");
    });
    expect(statusLine).toBe("HTTP/1.1 500 Internal Server Error");
    expect(body).not.toContain("secret");
  });

  it("waits for the end of a head that comes byte by byte, in a buffer that is used again", () => {
    const stream = new FakeStream();
    const handler = new StatusService(() => "ok").open(stream);
    const scratch = new Uint8Array(1);
    const request = encoder.encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    request.forEach((byte, i) => {
      expect(stream.writes, `after ${i} bytes`).toBe(0);
      scratch[0] = byte;
      handler.data(scratch);
    });
    expect(stream.text.endsWith("\r\n\r\nok")).toBe(true);
  });

  it("answers 431 to a head without end and keeps no more than its limit", () => {
    const { stream, statusLine } = ask(`GET / HTTP/1.1\r\nHost: ${"a".repeat(100_000)}`);
    expect(statusLine).toBe("HTTP/1.1 431 Request Header Fields Too Large");
    expect(stream.closed).toBe(true);
  });

  it("answers a request whose head just fits and is followed by more than is read", () => {
    const start = "GET / HTTP/1.1\r\nHost: ";
    const head = `${start}${"a".repeat(8192 - start.length - 4)}\r\n\r\n`;
    expect(ask(`${head}${"b".repeat(5000)}`).statusLine).toBe("HTTP/1.1 200 OK");
  });
});

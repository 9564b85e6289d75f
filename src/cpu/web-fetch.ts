/**
 * What v86's HTTP proxy fetches for the guest, where that may reach the web. v86 leaves the guest's connection open when a
 * response breaks off, and its own promise without anybody who catches; and it takes the length away. Here a response keeps
 * its length, and one that breaks off ends short of it: that is how a program knows (RFC 9112 section 8).
 */

/** The platform's Headers, as far as needed. */
interface FetchHeaders {
  get(name: string): string | null;
  set(name: string, value: string): void;
  delete(name: string): void;
}

/** A body's reader, as far as needed. (Not the declarations of platform.d.ts, which the library's types are without.) */
interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array }>;
  cancel(): Promise<void>;
}

/** The platform's Response, as far as v86 needs it. */
interface FetchResponse {
  readonly status: number;
  readonly statusText: string;
  readonly redirected: boolean;
  readonly url: string;
  readonly headers: FetchHeaders;
  readonly body: { getReader(): Reader } | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** v86's network adapter for relay_url "fetch". */
export interface V86Network {
  fetch: (url: string, init: unknown) => Promise<FetchResponse>;
  form_response_head: (status: number, text: string, headers: FetchHeaders) => Uint8Array;
}

/** Brings the length past v86, which removes the header that has it. */
const LENGTH = "x-doorbell-length";

/** See the file's head. */
export function tameFetch(network: V86Network): void {
  const { fetch } = network;
  network.fetch = async (url, init) => {
    const response = await fetch(url, init);
    const { status, statusText, redirected } = response;
    const headers = new Headers(response.headers);
    // What the platform has decoded is longer than what has travelled.
    const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
    headers.delete(LENGTH);
    if (length !== null) headers.set(LENGTH, length);
    const { body } = response;
    return {
      ...{ status, statusText, redirected, url: response.url, headers },
      body: body && { getReader: () => endingReader(body.getReader()) },
      arrayBuffer: () => response.arrayBuffer(),
    };
  };
  const head = network.form_response_head;
  network.form_response_head = (status, text, headers) => {
    const length = headers.get(LENGTH);
    headers.delete(LENGTH);
    if (length !== null) headers.set("content-length", length);
    return head.call(network, status, text, headers);
  };
}

/** Ends where the other one fails. */
function endingReader(reader: Reader): Reader {
  return {
    read: () => reader.read().catch(() => ({ done: true })),
    cancel: () => reader.cancel(),
  };
}

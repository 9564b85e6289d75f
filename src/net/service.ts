/**
 * What a service of the peer is: it sees bytes of one connection or one datagram, never frames, addresses or
 * TCP. All of it is synchronous, so that an answer leaves inside the guest's own notification.
 */

/** One accepted TCP connection, as its service sees it. */
export interface Stream {
  /**
   * Sends bytes (copied). When the guest does not take what was sent before, so that more than the peer's bound
   * would wait, the connection is aborted and false returned; false also when it is closed already. A service that
   * sends no more than it gets never comes there: what waits for the guest is taken from the guest's window.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes written that the guest has not acknowledged. */
  readonly queued: number;
  /** Sends what waits, then ends the connection. No more data is delivered. Calling it twice is harmless. */
  close(): void;
}

/** The service's half of one connection. */
export interface StreamHandler {
  /** Bytes from the guest, split anyhow, never empty, valid during the call only. */
  data(bytes: Uint8Array): void;
  /** The guest has acknowledged something, and less than half of the peer's bound waits: the time to write more. */
  drain?(): void;
  /** The guest sends no more. Without this method the stream is closed. */
  end?(): void;
  /** What {@link StreamService.restore} needs to go on, at most {@link HANDLER_STATE_MOST} bytes. */
  save?(): Uint8Array;
}

/** Most bytes that a handler keeps. */
export const HANDLER_STATE_MOST = 64 * 1024;
/** What a handler keeps that remembers nothing. */
export const NO_HANDLER_STATE = new Uint8Array(0);

/** A TCP service. */
export interface StreamService {
  readonly name: string;
  readonly port: number;
  /** A connection was accepted. */
  open(stream: Stream): StreamHandler;
  /**
   * The service's half of a connection that was saved. `state` is untrusted. Without this method, or where the handler
   * saves nothing, connections are reset when a machine is restored.
   * @throws StateError when it cannot be; the connection is then reset too.
   */
  restore?(stream: Stream, state: Uint8Array): StreamHandler;
}

/** A UDP service: at most one answer for each datagram. */
export interface DatagramService {
  readonly name: string;
  readonly port: number;
  /**
   * Answers `request` (valid during the call only) by writing into `response`, which is as long as the longest
   * datagram that fits a frame. Returns the length of the answer, 0 for an empty one, or {@link NO_ANSWER}.
   */
  answer(request: Uint8Array, response: Uint8Array): number;
}

/** What {@link DatagramService.answer} returns when nothing is to be sent. */
export const NO_ANSWER = -1;

/** Counters of one service, by name. They only grow. */
export type ServiceCounters = Readonly<Record<string, number>>;

/** v86's in-page router (ARP, DHCP, DNS, ICMP, TCP, HTTP through fetch) behind our own interface. */
import type { RouterConnection, RouterPort } from "../net/router.ts";
import type { V86Connection, V86Emulator } from "./v86-internals.ts";

/** Frames go to and from the router over v86's bus, as if from its network card 0. */
export class V86Router implements RouterPort {
  readonly #emulator: V86Emulator;
  /** Accepted connections by v86's name for them: guest and peer address and port. */
  readonly #open = new Map<string, Connection>();

  constructor(emulator: V86Emulator) {
    this.#emulator = emulator;
  }

  send(frame: Uint8Array): void {
    this.#emulator.emulator_bus.send("net0-send", frame);
  }

  onFrame(callback: (frame: Uint8Array) => void): void {
    this.#emulator.emulator_bus.register("net0-receive", callback);
  }

  onConnection(callback: (connection: RouterConnection) => void): void {
    this.#emulator.add_listener("tcp-connection", (raw: V86Connection) => {
      // A SYN for a connection that is open replaces it; v86 forgets the old one without a word.
      this.#open.get(raw.tuple)?.gone();
      const connection: Connection = new Connection(raw, () => {
        if (this.#open.get(raw.tuple) === connection) this.#open.delete(raw.tuple);
      });
      callback(connection);
      if (connection.accepted) this.#open.set(raw.tuple, connection);
    });
  }
}

class Connection implements RouterConnection {
  readonly port: number;
  accepted = false;
  readonly #raw: V86Connection;
  readonly #forget: () => void;
  #gone = false;
  #onClose: () => void = () => {};

  constructor(raw: V86Connection, forget: () => void) {
    this.port = raw.sport;
    this.#raw = raw;
    this.#forget = forget;
    // Every way to the end of a connection goes through release().
    const release = raw.release;
    raw.release = () => {
      release.call(raw);
      this.gone();
    };
  }

  get queued(): number {
    return this.#raw.send_buffer.length;
  }

  accept(): void {
    this.accepted = true;
    this.#raw.accept();
    this.#wrap();
  }

  write(bytes: Uint8Array): void {
    this.#raw.write(bytes);
  }

  close(): void {
    this.#raw.close();
  }

  /** v86 answers the next segment of a connection that it does not know with a reset. */
  abort(): void {
    this.#raw.release();
  }

  onData(callback: (bytes: Uint8Array) => void): void {
    this.#raw.on("data", (bytes) => {
      this.#wrap();
      callback(bytes);
    });
  }

  onEnd(callback: () => void): void {
    this.#raw.on("shutdown", callback);
  }

  onClose(callback: () => void): void {
    this.#onClose = callback;
  }

  gone(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#forget();
    if (this.accepted) this.#onClose();
  }

  /** v86 adds to the acknowledgement number without wrapping it at 2^32, and then no segment is in sequence any more. */
  #wrap(): void {
    this.#raw.ack >>>= 0;
  }
}

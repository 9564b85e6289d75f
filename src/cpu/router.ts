/** v86's in-page router (ARP, DHCP, DNS, ICMP, TCP, HTTP through fetch) behind our own interface. */
import type { RouterConnection, RouterPort } from "../net/router.ts";
import type { V86Connection, V86Emulator } from "./v86-internals.ts";

/** Frames go to and from the router over v86's bus, as if from its network card 0. */
export class V86Router implements RouterPort {
  readonly #emulator: V86Emulator;

  constructor(emulator: V86Emulator) {
    this.#emulator = emulator;
  }

  send(frame: Uint8Array): void {
    this.#emulator.emulator_bus.send("net0-send", frame);
  }

  onFrame(callback: (frame: Uint8Array) => void): void {
    this.#emulator.add_listener("net0-receive", (frame: Uint8Array) => callback(frame));
  }

  onConnection(callback: (connection: RouterConnection) => void): void {
    this.#emulator.add_listener("tcp-connection", (connection: V86Connection) =>
      callback(new Connection(connection)),
    );
  }
}

class Connection implements RouterConnection {
  readonly port: number;
  readonly #connection: V86Connection;

  constructor(connection: V86Connection) {
    this.port = connection.sport;
    this.#connection = connection;
  }

  accept(): void {
    this.#connection.accept();
    this.#wrap();
  }

  write(bytes: Uint8Array): void {
    this.#connection.write(bytes);
  }

  close(): void {
    this.#connection.close();
  }

  onData(callback: (bytes: Uint8Array) => void): void {
    this.#connection.on("data", (bytes) => {
      this.#wrap();
      callback(bytes);
    });
  }

  onClose(callback: () => void): void {
    // "shutdown": the guest sent FIN. "close": the guest sent RST.
    this.#connection.on("shutdown", callback);
    this.#connection.on("close", callback);
  }

  /** v86 adds to the acknowledgement number without wrapping it at 2^32, and then no segment is in sequence any more. */
  #wrap(): void {
    this.#connection.ack >>>= 0;
  }
}

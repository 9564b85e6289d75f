/** v86's in-page router (ARP, DHCP, DNS, ICMP, HTTP through fetch) behind our own interface. */
import type { RouterPort } from "../net/router.ts";
import type { V86Emulator } from "./v86-internals.ts";
import { tameFetch } from "./web-fetch.ts";

/** Frames go to and from the router over v86's bus, as if from its network card 0. */
export class V86Router implements RouterPort {
  readonly #emulator: V86Emulator;

  constructor(emulator: V86Emulator) {
    this.#emulator = emulator;
    tameFetch(emulator.network_adapter);
  }

  send(frame: Uint8Array): void {
    this.#emulator.emulator_bus.send("net0-send", frame);
  }

  onFrame(callback: (frame: Uint8Array) => void): void {
    this.#emulator.emulator_bus.register("net0-receive", callback);
  }
}

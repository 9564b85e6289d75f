/** Joins an element to the store: renders again after a change, lets go when the element leaves the page. */
import type { ReactiveController, ReactiveControllerHost } from "lit";
import type { Unsubscribe } from "../src/index.ts";
import type { MachineStore } from "./store.ts";

export class StoreController implements ReactiveController {
  readonly #host: ReactiveControllerHost & { readonly store: MachineStore };
  readonly #samples: boolean;
  #unsubscribe: Unsubscribe[] = [];

  /** With `samples` the host also renders after each sample of the metrics. */
  constructor(host: ReactiveControllerHost & { readonly store: MachineStore }, samples = false) {
    this.#host = host;
    this.#samples = samples;
    host.addController(this);
  }

  hostConnected(): void {
    const render = () => this.#host.requestUpdate();
    const { store } = this.#host;
    this.#unsubscribe = [store.onChange(render), ...(this.#samples ? [store.onSample(render)] : [])];
  }

  hostDisconnected(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
  }
}

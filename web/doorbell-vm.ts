/**
 * <doorbell-vm>: a microVM with its terminal as one element, for pages that are not ours. docs/embedding.md describes
 * attributes, properties, methods and events. It shows nothing but the terminal and how the start goes on.
 */
import { html, render } from "lit";
import {
  type DoorbellMode,
  type ExecOptions,
  type InterruptMode,
  type MetricsSnapshot,
  MicroVm,
  type SwitchResult,
} from "../src/index.ts";
import "./doorbell-progress.ts";
import "./doorbell-terminal.ts";
import { imageDownloads } from "./downloads.ts";
import { type PageOptions, readPageOptions } from "./page-options.ts";
import type { PageState } from "./page-state.ts";
import { MachineStore } from "./store.ts";
import tokens from "./tokens.css?inline";
import { sentence } from "./words.ts";

/** The library's own files lie beside this module. (A variable: the bundler must not take them into it.) */
const HERE = import.meta.url;
const beside = (name: string) => new URL(name, HERE).href;

/** How it is with the machine; "off" when it was not started. */
export type DoorbellVmStage = "off" | "downloading" | "booting" | "running" | "paused" | "stopped" | "failed";

/** What each event carries in `detail`. */
export interface DoorbellVmEvents {
  /** A phase of the start was reached: "started", "kernel", "console", "network", "ready". */
  "doorbell-phase": { readonly phase: string; readonly milliseconds: number };
  /** The counters, four times a second. */
  "doorbell-metrics": MetricsSnapshot;
  /** The devices negotiated anew, or will at the next start. */
  "doorbell-mode": { readonly interrupts: InterruptMode; readonly doorbell: DoorbellMode };
  /** It did not start, a switch failed, or the guest stopped: a title and a sentence. */
  "doorbell-problem": { readonly title: string; readonly detail: string };
}

const STYLE = `
:host { display: block; position: relative; min-height: 12rem; color-scheme: light dark; color: var(--ink);
  background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius);
  font-family: var(--sans); line-height: 1.4; overflow: hidden; }
:host([hidden]) { display: none; }
doorbell-terminal { position: absolute; inset: 0; }
doorbell-progress { position: absolute; inset: 0; }
doorbell-progress[strip] { inset: auto 0 0; }
doorbell-progress[hidden] { display: none; }
`;

export class DoorbellVm extends HTMLElement {
  static readonly observedAttributes = ["interrupts", "doorbell", "exit-cost"];

  readonly #root = this.attachShadow({ mode: "open" });
  #store: MachineStore | undefined;
  #machine: MicroVm | undefined;
  #unsubscribe: (() => void)[] = [];
  #shown: PageState | undefined;

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(tokens + STYLE);
    this.#root.adoptedStyleSheets = [sheet];
  }

  /** The machine, from when it has been made until it is destroyed. See {@link MicroVm}. */
  get machine(): MicroVm | undefined {
    return this.#machine;
  }

  get stage(): DoorbellVmStage {
    return this.#store?.state.stage ?? "off";
  }

  /** How devices interrupt. Setting it switches a running machine; {@link setInterrupts} says how that went. */
  get interrupts(): InterruptMode {
    return this.#store?.state.interrupts ?? this.#options().interrupts;
  }
  set interrupts(mode: InterruptMode) {
    this.setAttribute("interrupts", mode);
  }

  /** How the driver notifies queues; as {@link interrupts}. */
  get doorbell(): DoorbellMode {
    return this.#store?.state.doorbell ?? this.#options().doorbell;
  }
  set doorbell(mode: DoorbellMode) {
    this.setAttribute("doorbell", mode);
  }

  /** The modelled cost of an exit in nanoseconds, 0 for off. */
  get exitCost(): number {
    return this.#store?.state.exitCostNs ?? this.#options().exitCostNs;
  }
  set exitCost(nanoseconds: number) {
    this.setAttribute("exit-cost", String(nanoseconds));
  }

  /** Starts the machine, or restarts it with the attributes as they are now. Resolves when it was started or has failed. */
  async start(): Promise<void> {
    await this.stop();
    const store = this.#makeStore();
    this.#store = store;
    const changed = () => this.#changed(store);
    this.#unsubscribe = [
      store.onChange(changed),
      store.onSample(() => {
        if (this.#machine !== undefined) this.#tell("doorbell-metrics", this.#machine.metrics());
      }),
    ];
    changed();
    await store.boot();
  }

  /** Destroys the machine. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#unsubscribe = [];
    const store = this.#store;
    this.#store = undefined;
    this.#machine = undefined;
    this.#shown = undefined;
    render(html``, this.#root);
    await store?.close();
  }

  pause(): void {
    this.#store?.pause();
  }

  resume(): void {
    this.#store?.resume();
  }

  /** All counters at this moment; undefined while there is no machine. */
  metrics(): MetricsSnapshot | undefined {
    return this.#machine?.metrics();
  }

  /** Runs a command in the guest; resolves with its exit status. See {@link MicroVm.exec}. */
  exec(command: string, options?: ExecOptions): Promise<number> {
    return this.#running().exec(command, options);
  }

  /** Switches all devices; resolves when every driver has negotiated again. See {@link MicroVm.setInterrupts}. */
  setInterrupts(mode: InterruptMode): Promise<SwitchResult> {
    return this.#running().setInterrupts(mode);
  }

  /** As {@link setInterrupts}, for the way queues are notified. */
  setDoorbell(mode: DoorbellMode): Promise<SwitchResult> {
    return this.#running().setDoorbell(mode);
  }

  connectedCallback(): void {
    if (this.#store === undefined && !this.hasAttribute("manual")) void this.start();
  }

  disconnectedCallback(): void {
    // An element that is only moved is connected again before this is looked at.
    queueMicrotask(() => {
      if (!this.isConnected) void this.stop();
    });
  }

  attributeChangedCallback(name: string): void {
    const store = this.#store;
    if (store === undefined) return;
    const { interrupts, doorbell, exitCostNs } = this.#options();
    if (name === "interrupts") void store.setInterrupts(interrupts);
    else if (name === "doorbell") void store.setDoorbell(doorbell);
    else store.setExitCost(exitCostNs);
  }

  #running(): MicroVm {
    if (this.#machine === undefined)
      throw new Error("There is no machine yet: wait for doorbell-phase, or call start().");
    return this.#machine;
  }

  /** Attributes are read like the page's address: what is unknown or out of range is left at its default. */
  #options(): PageOptions {
    const query = new URLSearchParams();
    const names = { "exit-cost": "exitcost", "event-idx": "eventidx" };
    for (const { name, value } of this.attributes)
      query.set(names[name as keyof typeof names] ?? name, value);
    return readPageOptions(query.toString());
  }

  #makeStore(): MachineStore {
    const { emulator, kernel, initramfs } = __IMAGE_HASHES__;
    const hashes: Record<string, string | undefined> = { wasm: emulator, kernel, initrd: initramfs };
    const url = (name: string, file: string) => {
      const given = this.getAttribute(name);
      // Somebody's own file is taken as it is.
      if (given !== null) delete hashes[name];
      return given === null ? beside(file) : new URL(given, document.baseURI).href;
    };
    const urls = {
      wasmUrl: url("wasm", "v86.wasm"),
      kernelUrl: url("kernel", "vmlinux.gz"),
      initramfsUrl: url("initrd", "initramfs.cpio.gz"),
    };
    const append = this.getAttribute("append");
    return new MachineStore(
      {
        ...urls,
        downloads: imageDownloads(urls, {
          emulator: hashes.wasm,
          kernel: hashes.kernel,
          initramfs: hashes.initrd,
        }),
        create: async (options) => {
          const machine = await MicroVm.create({ ...options, ...(append === null ? {} : { append }) });
          this.#machine = machine;
          return machine;
        },
        restore: (snapshot, options) => MicroVm.restore(snapshot, options),
      },
      this.#options(),
    );
  }

  #changed(store: MachineStore): void {
    const { state } = store;
    const before = this.#shown;
    this.#shown = state;
    const covered = state.stage === "downloading" || state.stage === "failed";
    const strip = state.stage === "booting" || state.stage === "stopped";
    render(
      html`<doorbell-terminal .store=${store} ?inert=${covered}></doorbell-terminal>
        <doorbell-progress .store=${store} ?hidden=${!covered && !strip} ?strip=${strip}></doorbell-progress>`,
      this.#root,
    );
    for (const [phase, milliseconds] of Object.entries(state.phases)) {
      if (before === undefined || !Object.hasOwn(before.phases, phase)) {
        this.#tell("doorbell-phase", { phase, milliseconds });
      }
    }
    if (state.switching === undefined && before !== undefined) {
      const { interrupts, doorbell } = state;
      if (before.switching !== undefined) this.#tell("doorbell-mode", { interrupts, doorbell });
    }
    if (state.problem !== undefined && state.problem !== before?.problem) {
      this.#tell("doorbell-problem", { title: state.problem.title, detail: state.problem.detail });
    }
    if (state.notice !== undefined && state.notice !== before?.notice) {
      this.#tell("doorbell-problem", { title: "Something did not work", detail: sentence(state.notice) });
    }
  }

  #tell<K extends keyof DoorbellVmEvents>(name: K, detail: DoorbellVmEvents[K]): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("doorbell-vm", DoorbellVm);

declare global {
  interface HTMLElementTagNameMap {
    "doorbell-vm": DoorbellVm;
  }
}

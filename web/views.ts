/**
 * The views beside the terminal: one literal table. To add one, write an element with a `store` property and add a line.
 * A view is downloaded when it is first opened. While it is closed its element is kept, but is not in the document:
 * a StoreController then neither renders nor listens.
 */
import type { MachineStore } from "./store.ts";

export interface View {
  /** In the address: ?view=ID. */
  readonly id: string;
  readonly title: string;
  /** The key that opens it while the keyboard is not in the terminal: one lower-case letter. */
  readonly key: string;
  /** The element's name. */
  readonly element: string;
  /** It needs more room than the terminal does. */
  readonly wide?: true;
  /** Defines the element. */
  load(): Promise<unknown>;
}

/** An element that shows a view. */
export interface ViewElement extends HTMLElement {
  store: MachineStore;
}

export const VIEWS = [
  // Shown at once, and therefore part of the page itself.
  { id: "counters", title: "Counters", key: "c", element: "doorbell-counters", load: async () => {} },
  {
    id: "lessons",
    title: "Lessons",
    key: "l",
    element: "doorbell-lessons",
    load: () => import("./doorbell-lessons.ts"),
  },
  {
    id: "packets",
    title: "Packets",
    key: "p",
    element: "doorbell-packets",
    wide: true,
    load: () => import("./doorbell-packets.ts"),
  },
  {
    id: "inspector",
    title: "Inspector",
    key: "i",
    element: "doorbell-inspector",
    wide: true,
    load: () => import("./inspector/doorbell-inspector.ts"),
  },
  {
    id: "journey",
    title: "Journey",
    key: "j",
    element: "doorbell-journey",
    wide: true,
    load: () => import("./journey/doorbell-journey.ts"),
  },
  {
    id: "snapshots",
    title: "Snapshots",
    key: "s",
    element: "doorbell-snapshots",
    load: () => import("./doorbell-snapshots.ts"),
  },
] as const satisfies readonly View[];

/** The view that is open when the address names none. */
export const FIRST_VIEW = "counters";

/** The view of this id, or the first one where there is no such view. */
export function viewOf(id: string | undefined): View {
  return VIEWS.find((view) => view.id === id) ?? VIEWS[0];
}

/** Asks the page to open a view. */
export class OpenViewEvent extends Event {
  readonly view: string;
  constructor(view: string) {
    super("open-view", { bubbles: true, composed: true });
    this.view = view;
  }
}

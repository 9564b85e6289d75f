/** Joins a source of machines to the app element of the document. */
import "./doorbell-app.ts";
import { readPageOptions } from "./page-options.ts";
import type { MachineSource } from "./page-state.ts";
import { MachineStore } from "./store.ts";
import { applyTheme } from "./theme.ts";
import { viewOf } from "./views.ts";
import { sentence } from "./words.ts";

export function startPage(source: MachineSource): void {
  applyTheme();
  const options = readPageOptions(location.search);
  const store = new MachineStore(source, options);
  const app = document.createElement("doorbell-app");
  app.store = store;
  app.view = viewOf(options.view).id;
  app.layout = options.layout;
  app.embed = options.embed;
  app.offered = options.run;
  document.querySelector("#app")?.replaceWith(app);
  window.addEventListener("error", ({ message }) =>
    store.showNotice(`Something in the page failed: ${message}`),
  );
  window.addEventListener("unhandledrejection", ({ reason }) =>
    store.showNotice(`Something in the page failed: ${sentence(reason)}`),
  );
  void store.start();
}

/**
 * What the entry module asks for as soon as it runs, named in the document already, so that it is on its way while the entry
 * itself is: the modules of its dynamic imports with all that they import, and the emulator.
 */
import type { HtmlTagDescriptor, Plugin } from "vite";

export const preloadStart: Plugin = {
  name: "preload-start",
  apply: "build",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { bundle = {}, chunk: entry }) => {
      const modules = new Set<string>();
      const add = (name: string): void => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || chunk === entry || modules.has(name)) return;
        modules.add(name);
        chunk.imports.forEach(add);
      };
      entry?.dynamicImports.forEach(add);
      // The entry's own are in the document already.
      for (const name of entry?.imports ?? []) modules.delete(name);
      const emulator = Object.keys(bundle).filter((name) => name.endsWith(".wasm"));
      const link = (attrs: HtmlTagDescriptor["attrs"]): HtmlTagDescriptor => ({
        tag: "link",
        attrs: { crossorigin: true, ...attrs },
        injectTo: "head",
      });
      return [
        ...[...modules].map((name) => link({ rel: "preload", as: "script", href: `./${name}` })),
        ...emulator.map((name) => link({ rel: "preload", as: "fetch", href: `./${name}` })),
      ];
    },
  },
};

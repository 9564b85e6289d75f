/** What the tests use of the scripts, which are plain JavaScript. */
declare module "*/scripts/chromium.mjs" {
  /** Path of a Chromium, or undefined when there is none. */
  export function findChromium(): string | undefined;
}

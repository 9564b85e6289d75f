/** Colours of the terminal, for light and dark. xterm raises what falls short of 4.5:1 by itself. */
import type { ITheme } from "@xterm/xterm";
import { resolveColour } from "./theme.ts";

const LIGHT: ITheme = {
  black: "#1c2126",
  red: "#a32218",
  green: "#2c6e2f",
  yellow: "#7d5a00",
  blue: "#1f5fa8",
  magenta: "#7d3c98",
  cyan: "#0d6a68",
  white: "#6b7078",
  brightBlack: "#5b626b",
  brightRed: "#b8332a",
  brightGreen: "#357a38",
  brightYellow: "#8a6500",
  brightBlue: "#2a6dbb",
  brightMagenta: "#8e4bab",
  brightCyan: "#147673",
  brightWhite: "#3a4048",
};

const DARK: ITheme = {
  black: "#2b3138",
  red: "#ff8a7a",
  green: "#8dd08f",
  yellow: "#e6c36a",
  blue: "#7fb4f0",
  magenta: "#cba6f0",
  cyan: "#68cfc6",
  white: "#d5d9dd",
  brightBlack: "#8a939c",
  brightRed: "#ffa598",
  brightGreen: "#a9e0aa",
  brightYellow: "#f2d68c",
  brightBlue: "#a0c9f7",
  brightMagenta: "#dcc0f7",
  brightCyan: "#8de0d8",
  brightWhite: "#ffffff",
};

/** The theme for the colours that the style sheet has in force at `scope`. */
export function terminalTheme(scope: HTMLElement): ITheme {
  const background = resolveColour(scope, "--surface");
  const foreground = resolveColour(scope, "--ink");
  const accent = resolveColour(scope, "--accent");
  const dark = brightness(background) < 128;
  return {
    ...(dark ? DARK : LIGHT),
    background,
    foreground,
    cursor: accent,
    cursorAccent: background,
    selectionBackground: dark ? "#2f5c59" : "#b9dcd7",
    selectionInactiveBackground: dark ? "#333b42" : "#dcd8cf",
  };
}

function brightness(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[0-9.]+/g) ?? []).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

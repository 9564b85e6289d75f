/** Light, dark, or what the system says; and colours of the style sheet for what is painted on a canvas. */

export type Theme = "auto" | "light" | "dark";
const KEY = "doorbell-theme";
const listeners = new Set<() => void>();

/** What the person chose. */
export function currentTheme(): Theme {
  const value = remembered(KEY);
  return value === "light" || value === "dark" ? value : "auto";
}

export function setTheme(theme: Theme): void {
  remember(KEY, theme);
  applyTheme();
}

/** Puts the choice into effect: page.css does the rest. */
export function applyTheme(): void {
  const theme = currentTheme();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener();
}

/** Calls back when colours may have changed, by the person or by the system. */
export function onThemeChange(callback: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  listeners.add(callback);
  system.addEventListener("change", callback);
  return () => {
    listeners.delete(callback);
    system.removeEventListener("change", callback);
  };
}

/** The colour that a CSS variable stands for just now, as rgb(). */
export function resolveColour(scope: HTMLElement, variable: string): string {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = `var(${variable})`;
  const root = scope.shadowRoot ?? scope;
  root.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** A choice kept between visits; undefined when there is none or the browser keeps nothing. */
export function remembered(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a choice between visits, where the browser allows it. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing still shows the page.
  }
}

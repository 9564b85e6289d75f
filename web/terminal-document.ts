/**
 * xterm.js under a Content-Security-Policy without 'unsafe-inline'. It writes style elements and style attributes, which
 * such a policy forbids; style sheets made by script and styles set through the CSSOM are allowed. So the elements that
 * it makes put the one into the other.
 */
import type { Terminal } from "@xterm/xterm";

/** Where xterm 6.0.0 keeps the document by which it makes the cells of a row. */
interface Internals {
  readonly _core?: {
    readonly _renderService?: {
      readonly _renderer?: { readonly value?: { readonly _rowFactory?: { _document: unknown } } };
    };
  };
}

/** Opens a terminal in `parent`. Its style sheets go to the root that `parent` is in. */
export function openTerminal(terminal: Terminal, parent: HTMLElement): void {
  const root = parent.getRootNode() as Document | ShadowRoot;
  const createElement = elementMaker(root);
  // What it makes here, once for all, it makes by the page's document, whatever document it is given.
  document.createElement = createElement;
  try {
    terminal.open(parent);
  } finally {
    // The prototype's own comes to light again.
    Reflect.deleteProperty(document, "createElement");
  }
  const rows = (terminal as Internals)._core?._renderService?._renderer?.value?._rowFactory;
  if (rows !== undefined) rows._document = { createElement };
}

function elementMaker(root: Document | ShadowRoot): (name: string) => HTMLElement {
  const make = document.createElement.bind(document);
  return (name) => {
    // A style element is refused even when it is empty; a template is as much out of sight.
    if (name === "style") return adoptText(make("template"), root);
    const element = make(name);
    if (name === "span") element.setAttribute = setAttributeByCssom;
    return element;
  };
}

/** What is written into the element becomes a style sheet of its root; the element stays empty. */
function adoptText(element: HTMLElement, root: Document | ShadowRoot): HTMLElement {
  const sheet = new CSSStyleSheet();
  root.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text) });
  const remove = element.remove.bind(element);
  element.remove = () => {
    root.adoptedStyleSheets = root.adoptedStyleSheets.filter((adopted) => adopted !== sheet);
    remove();
  };
  return element;
}

/** A cell's colour comes as a style attribute; the rest as ever. */
function setAttributeByCssom(this: HTMLElement, name: string, value: string): void {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

/**
 * Markdown to templates: marked reads the text into tokens, and lit makes elements of them. No string ever becomes markup,
 * so nothing in a lesson can be more than text, emphasis, lists, tables, code and links.
 */
import { html, nothing, type TemplateResult } from "lit";
import type { Token, Tokens } from "marked";

type Rendered = TemplateResult | string | typeof nothing;

export function renderMarkdown(token: Token): Rendered {
  switch (token.type) {
    case "paragraph":
      return html`<p>${inline(token)}</p>`;
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item) => html`<li>${item.tokens.map(renderMarkdown)}</li>`);
      return list.ordered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    case "blockquote":
      return html`<blockquote>${token.tokens?.map(renderMarkdown)}</blockquote>`;
    case "heading":
      return html`<h4>${inline(token)}</h4>`;
    case "code":
      return html`<pre tabindex="0"><code>${(token as Tokens.Code).text}</code></pre>`;
    case "table":
      return table(token as Tokens.Table);
    case "strong":
      return html`<strong>${inline(token)}</strong>`;
    case "em":
      return html`<em>${inline(token)}</em>`;
    case "codespan":
      return html`<code>${(token as Tokens.Codespan).text}</code>`;
    case "link":
      return html`<a href=${safe((token as Tokens.Link).href)} rel="noreferrer" target="_blank">${inline(token)}</a>`;
    case "br":
      return html`<br />`;
    case "text":
    case "escape":
      return "tokens" in token && token.tokens !== undefined
        ? html`${inline(token)}`
        : token.type === "escape"
          ? token.text
          : token.raw;
    case "space":
      return nothing;
    default:
      return token.raw;
  }
}

function inline(token: Token): Rendered[] {
  return "tokens" in token ? (token.tokens ?? []).map(renderMarkdown) : [];
}

function table({ header, rows }: Tokens.Table): TemplateResult {
  return html`<table>
    <thead>
      <tr>${header.map((cell) => html`<th scope="col">${cell.tokens.map(renderMarkdown)}</th>`)}</tr>
    </thead>
    <tbody>
      ${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell.tokens.map(renderMarkdown)}</td>`)}</tr>`)}
    </tbody>
  </table>`;
}

/** Only the web, and places within the page. */
function safe(href: string): string {
  return /^(?:https?:|#|\?)/.test(href) ? href : "#";
}

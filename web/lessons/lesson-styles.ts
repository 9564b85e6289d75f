/** How a lesson's text and actions look. */
import { css } from "lit";

export const lessonStyles = css`
  :host {
    display: block;
    font-size: 0.9375rem;
    line-height: 1.5;
  }

  .page {
    display: grid;
    gap: 0.625rem;
    padding: 0.75rem 0.875rem 0.875rem;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }

  h2 {
    font-size: 1.0625rem;
  }

  h3 {
    font-size: 1.125rem;
  }

  h3:focus {
    outline: none;
  }

  h3,
  h4,
  p,
  ul,
  ol,
  blockquote {
    margin: 0;
  }

  ul,
  ol {
    padding-left: 1.375rem;
  }

  blockquote {
    padding-left: 0.75rem;
    border-left: 3px solid var(--accent);
    color: var(--ink-soft);
  }

  a {
    color: var(--accent);
  }

  code,
  pre {
    font-family: var(--mono);
    font-size: 0.8125rem;
  }

  code {
    padding: 0 0.1875rem;
    border-radius: 0.25rem;
    background: var(--raised);
    overflow-wrap: anywhere;
  }

  pre {
    max-height: 13rem;
    margin: 0;
    padding: 0.5rem 0.625rem;
    border-radius: var(--radius);
    background: var(--raised);
    overflow: auto;
    white-space: pre-wrap;
  }

  pre code {
    padding: 0;
  }

  table {
    border-collapse: collapse;
    font-size: 0.8125rem;
  }

  th,
  td {
    padding: 0.125rem 0.625rem 0.125rem 0;
    border-bottom: 1px solid var(--line);
    text-align: left;
  }

  .action {
    display: grid;
    gap: 0.375rem;
    padding: 0.5rem 0.75rem;
    border: 1px solid var(--line);
    border-left: 3px solid var(--accent);
    border-radius: var(--radius);
    background: var(--raised);
    font-size: 0.875rem;
  }

  .action pre,
  .action code {
    background: none;
    padding: 0;
  }

  .action .printed {
    padding: 0.375rem 0.5rem;
    border: 1px solid var(--line);
    background: var(--surface);
  }

  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.375rem 0.75rem;
  }

  .row > code {
    flex: 1 1 12rem;
  }

  .soft {
    color: var(--ink-soft);
    font-size: 0.8125rem;
  }

  .checks {
    display: grid;
    gap: 0.25rem;
    padding: 0;
    list-style: none;
  }

  .checks li {
    display: grid;
    grid-template-columns: 1.25rem minmax(0, 1fr) auto;
    gap: 0.375rem;
    align-items: baseline;
  }

  .mark::before {
    content: "\\25cb";
    color: var(--ink-soft);
  }

  .held .mark::before {
    content: "\\2713";
    color: var(--accent);
    font-weight: 700;
  }

  .missed .mark::before {
    content: "\\2715";
    color: var(--bad);
  }

  .value {
    font-variant-numeric: tabular-nums;
    font-weight: 600;
  }

  .formula {
    display: block;
    color: var(--ink-soft);
    font-size: 0.75rem;
  }

  fieldset {
    display: grid;
    gap: 0.25rem;
    min-width: 0;
    margin: 0;
    padding: 0;
    border: 0;
  }

  legend {
    margin-bottom: 0.25rem;
    padding: 0;
    font-weight: 600;
  }

  label {
    display: flex;
    gap: 0.5rem;
    align-items: baseline;
  }

  input[type="radio"] {
    flex: none;
    margin: 0;
    accent-color: var(--accent);
  }

  .verdict {
    font-weight: 600;
  }

  .bad {
    color: var(--bad);
  }

  .steps {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem;
    margin: 0;
    padding: 0;
    list-style: none;
  }

  .steps button {
    width: 1.75rem;
    height: 1.75rem;
    padding: 0;
    border: 1px solid var(--line-strong);
    border-radius: 50%;
    background: var(--surface);
    color: var(--ink);
    font: inherit;
    font-size: 0.75rem;
    cursor: pointer;
  }

  .steps button[data-done] {
    border-color: var(--accent);
    background: var(--accent-soft);
  }

  .steps button[aria-current] {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--accent-ink);
  }
`;

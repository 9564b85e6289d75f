/** Styles that several elements share: buttons, focus, what only screen readers get. */
import { css } from "lit";

export const sharedStyles = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }

  :host([hidden]) {
    display: none;
  }

  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }

  h2,
  h3,
  p {
    margin: 0;
  }

  h2 {
    font-size: 0.8125rem;
    font-weight: 600;
  }

  .button {
    display: inline-flex;
    align-items: center;
    gap: 0.375rem;
    min-height: 2rem;
    padding: 0.1875rem 0.75rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--surface);
    color: var(--ink);
    font: inherit;
    font-size: 0.8125rem;
    font-weight: 500;
    white-space: nowrap;
    cursor: pointer;
  }

  .button:hover:not([aria-disabled="true"]) {
    background: var(--raised);
    border-color: var(--ink-soft);
  }

  .button[aria-disabled="true"] {
    color: var(--ink-soft);
    border-color: var(--line);
    cursor: not-allowed;
  }

  .button.primary {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--accent-ink);
  }

  .button.primary[aria-disabled="true"] {
    border-color: var(--line);
    background: var(--raised);
    color: var(--ink-soft);
  }

  .button.primary:hover:not([aria-disabled="true"]) {
    background: var(--accent);
    border-color: var(--ink);
  }

  .hidden-text {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  @media (pointer: coarse) {
    .button {
      min-height: 2.5rem;
    }
  }

  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
    }
  }
`;

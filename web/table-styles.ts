/** Tables of counters: a name, then numbers that stay in their columns while they change. */
import { css } from "lit";

export const tableStyles = css`
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
  }

  caption,
  h2 {
    padding: 0 0 0.125rem;
    font-size: 0.8125rem;
    font-weight: 600;
    text-align: left;
  }

  th,
  td {
    padding: 0.0625rem 0 0.0625rem 0.5rem;
    border-bottom: 1px solid var(--line);
    text-align: right;
    white-space: nowrap;
  }

  th:first-child {
    padding-left: 0;
    text-align: left;
  }

  thead th {
    color: var(--ink-soft);
    font-weight: 400;
  }

  tbody th {
    font-weight: 400;
  }

  tbody tr.sum > * {
    border-bottom-color: var(--line-strong);
    font-weight: 600;
  }

  tbody tr:last-child > * {
    border-bottom: 0;
  }

  td.zero {
    color: var(--ink-soft);
  }

  abbr {
    text-decoration: none;
  }
`;

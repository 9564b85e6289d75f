/** What a TCP connection is in, its bounds, and what of it is kept in a snapshot. */
import {
  bool,
  bytes,
  checked,
  count,
  f64,
  fixedBytes,
  oneOf,
  optional,
  record,
  type StateOf,
  u16,
  u32,
} from "../../state/codec.ts";
import { HANDLER_STATE_MOST } from "../service.ts";
import { RECEIVE_WINDOW_STATE } from "./receive-window.ts";
import { RETRIES_STATE } from "./retries.ts";
import { SEND_SEQUENCE_STATE } from "./send-sequence.ts";

/** States of RFC 9293 section 3.3.2. LISTEN is the listener's, SYN-SENT does not occur. */
export type TcpState =
  | "SYN-RECEIVED"
  | "ESTABLISHED"
  | "FIN-WAIT-1"
  | "FIN-WAIT-2"
  | "CLOSE-WAIT"
  | "CLOSING"
  | "LAST-ACK"
  | "TIME-WAIT"
  | "CLOSED";

/** Bytes that may wait for the guest in one connection: eight of the largest responses. */
export const MAX_QUEUED = 512 * 1024;
/** In milliseconds. Short: no segment is under way for longer than a page is busy. */
export const TIME_WAIT = 1000;
/** In milliseconds: how long a guest may keep its half open when ours is closed. */
export const FIN_WAIT_2 = 60_000;

const TCP_STATE = oneOf(
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
);

/** What is kept of a {@link Connection}. */
export const CONNECTION_STATE = record({
  state: TCP_STATE,
  /** Addresses of the guest, and ports of both ends. */
  mac: fixedBytes(6),
  address: u32,
  port: u16,
  servicePort: u16,
  ourAddress: u32,
  send: SEND_SEQUENCE_STATE,
  receive: RECEIVE_WINDOW_STATE,
  receiveInitial: u32,
  open: bool,
  acknowledgement: oneOf("none", "later", "now"),
  unacknowledged: count,
  /** Milliseconds until the timer's end. */
  timer: optional(checked(f64, "time", (value) => value >= 0 && value <= FIN_WAIT_2)),
  retries: RETRIES_STATE,
  lastUsed: count,
  /** What the service keeps, as long as it has a part in it. */
  handler: optional(bytes(HANDLER_STATE_MOST)),
});
export type ConnectionState = StateOf<typeof CONNECTION_STATE>;

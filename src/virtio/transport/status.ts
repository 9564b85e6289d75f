/** The device status field as a transition table (virtio 1.2 sections 2.1 and 3.1.1). */
import {
  VIRTIO_CONFIG_S_ACKNOWLEDGE,
  VIRTIO_CONFIG_S_DRIVER,
  VIRTIO_CONFIG_S_DRIVER_OK,
  VIRTIO_CONFIG_S_FAILED,
  VIRTIO_CONFIG_S_FEATURES_OK,
} from "../defs.ts";

/** States on the driver's way, each with all bits set so far. */
export const STATE_RESET = 0;
export const STATE_ACKNOWLEDGE = VIRTIO_CONFIG_S_ACKNOWLEDGE;
export const STATE_DRIVER = STATE_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
export const STATE_FEATURES_OK = STATE_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
export const STATE_DRIVER_OK = STATE_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

/** The bits that are the driver's to write. */
export const DRIVER_BITS = STATE_DRIVER_OK | VIRTIO_CONFIG_S_FAILED;

/** From each state the one next state that the driver may write. */
const NEXT: ReadonlyMap<number, number> = new Map([
  [STATE_RESET, STATE_ACKNOWLEDGE],
  [STATE_ACKNOWLEDGE, STATE_DRIVER],
  [STATE_DRIVER, STATE_FEATURES_OK],
  [STATE_FEATURES_OK, STATE_DRIVER_OK],
]);

/**
 * Why the driver may not change its bits from `now` to `wanted` (another value, and not 0, which resets);
 * undefined when it may. FAILED may be added in any state and leaves nothing but the reset.
 */
export function refusedTransition(now: number, wanted: number): string | undefined {
  if ((wanted & ~DRIVER_BITS) !== 0) return "status: undefined bit";
  if ((now & ~wanted) !== 0) return "status: bit cleared without a reset";
  if ((now & VIRTIO_CONFIG_S_FAILED) !== 0) return "status: changed after FAILED";
  if ((wanted & VIRTIO_CONFIG_S_FAILED) !== 0) return undefined;
  return NEXT.get(now) === wanted ? undefined : "status: step skipped";
}

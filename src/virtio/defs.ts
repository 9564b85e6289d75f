/**
 * Named constants of the standard (virtio 1.2), spelled as the standard and its header files spell them,
 * and of this project's extension of virtio-mmio (docs/virtio-mmio-v3.md).
 */

/** Device IDs, virtio 1.2 section 5. */
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;
export const VIRTIO_ID_CONSOLE = 3;
export const VIRTIO_ID_RNG = 4;

/** Device status bits, virtio 1.2 section 2.1. */
export const VIRTIO_CONFIG_S_ACKNOWLEDGE = 1;
export const VIRTIO_CONFIG_S_DRIVER = 2;
export const VIRTIO_CONFIG_S_DRIVER_OK = 4;
export const VIRTIO_CONFIG_S_FEATURES_OK = 8;
export const VIRTIO_CONFIG_S_NEEDS_RESET = 64;
export const VIRTIO_CONFIG_S_FAILED = 128;

/** Ring features, by bit number, virtio 1.2 section 6. */
export const VIRTIO_RING_F_INDIRECT_DESC = 28;
export const VIRTIO_RING_F_EVENT_IDX = 29;

/** Reserved feature bits, by bit number, virtio 1.2 section 6. */
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_RING_PACKED = 34;
export const VIRTIO_F_IN_ORDER = 35;
export const VIRTIO_F_ORDER_PLATFORM = 36;
export const VIRTIO_F_SR_IOV = 37;
export const VIRTIO_F_NOTIFICATION_DATA = 38;
/** Virtio 1.3. Never offered together with the extension: the bit number collides with its revision B. */
export const VIRTIO_F_NOTIF_CONFIG_DATA = 39;
/** Never offered together with the extension: its register QueueReset lies where MsiStatus lies. */
export const VIRTIO_F_RING_RESET = 40;

/** Descriptor flags, virtio 1.2 section 2.7.5. */
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;
/** Available ring: the driver wants no used buffer notification, virtio 1.2 section 2.7.6. */
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
/** Used ring: the device wants no available buffer notification, virtio 1.2 section 2.7.8. */
export const VIRTQ_USED_F_NO_NOTIFY = 1;

/** Sizes and alignments of a split virtqueue's parts in bytes, virtio 1.2 section 2.7. */
export const VIRTQ_MAX_SIZE = 32768;
export const VIRTQ_DESC_SIZE = 16;
export const VIRTQ_DESC_ALIGN = 16;
export const VIRTQ_AVAIL_ALIGN = 2;
export const VIRTQ_USED_ALIGN = 4;
/** Bytes before the elements of either ring: le16 flags, le16 idx. */
export const VIRTQ_RING_HEADER_SIZE = 4;
export const VIRTQ_AVAIL_ELEMENT_SIZE = 2;
export const VIRTQ_USED_ELEMENT_SIZE = 8;
/** used_event or avail_event, after the elements. */
export const VIRTQ_EVENT_SIZE = 2;

/** Registers of virtio-mmio, virtio 1.2 section 4.2.2, as offsets from the window's start. */
export const VIRTIO_MMIO_MAGIC_VALUE = 0x000;
export const VIRTIO_MMIO_VERSION = 0x004;
export const VIRTIO_MMIO_DEVICE_ID = 0x008;
export const VIRTIO_MMIO_VENDOR_ID = 0x00c;
export const VIRTIO_MMIO_DEVICE_FEATURES = 0x010;
export const VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014;
export const VIRTIO_MMIO_DRIVER_FEATURES = 0x020;
export const VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024;
export const VIRTIO_MMIO_QUEUE_SEL = 0x030;
export const VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034;
export const VIRTIO_MMIO_QUEUE_NUM = 0x038;
export const VIRTIO_MMIO_QUEUE_READY = 0x044;
export const VIRTIO_MMIO_QUEUE_NOTIFY = 0x050;
export const VIRTIO_MMIO_INTERRUPT_STATUS = 0x060;
export const VIRTIO_MMIO_INTERRUPT_ACK = 0x064;
export const VIRTIO_MMIO_STATUS = 0x070;
export const VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080;
export const VIRTIO_MMIO_QUEUE_DESC_HIGH = 0x084;
export const VIRTIO_MMIO_QUEUE_DRIVER_LOW = 0x090;
export const VIRTIO_MMIO_QUEUE_DRIVER_HIGH = 0x094;
export const VIRTIO_MMIO_QUEUE_DEVICE_LOW = 0x0a0;
export const VIRTIO_MMIO_QUEUE_DEVICE_HIGH = 0x0a4;
export const VIRTIO_MMIO_SHM_SEL = 0x0ac;
export const VIRTIO_MMIO_SHM_LEN_LOW = 0x0b0;
export const VIRTIO_MMIO_SHM_LEN_HIGH = 0x0b4;
export const VIRTIO_MMIO_SHM_BASE_LOW = 0x0b8;
export const VIRTIO_MMIO_SHM_BASE_HIGH = 0x0bc;
export const VIRTIO_MMIO_CONFIG_GENERATION = 0x0fc;
/** Start of the device's configuration space. */
export const VIRTIO_MMIO_CONFIG = 0x100;

/** "virt", little-endian: what MagicValue reads. */
export const VIRTIO_MMIO_MAGIC = 0x74726976;
/** Version of the standard's interface. */
export const VIRTIO_MMIO_VERSION_STANDARD = 2;
/** Version when anything of docs/virtio-mmio-v3.md is offered. */
export const VIRTIO_MMIO_VERSION_EXTENDED = 3;
/** What VendorID reads: "DBEL", little-endian, a number of our own choice. */
export const VIRTIO_MMIO_VENDOR = 0x4c454244;

/** InterruptStatus and InterruptACK bits, virtio 1.2 section 4.2.2. */
export const VIRTIO_MMIO_INT_VRING = 1;
export const VIRTIO_MMIO_INT_CONFIG = 2;

/** The MSI block, docs/virtio-mmio-v3.md "Message-signalled interrupts". MsiStatus and MsiCommand are 16 bits wide. */
export const VIRTIO_MMIO_MSI_STATUS = 0x0c0;
export const VIRTIO_MMIO_MSI_COMMAND = 0x0c2;
export const VIRTIO_MMIO_MSI_ADDRESS_LOW = 0x0c4;
export const VIRTIO_MMIO_MSI_ADDRESS_HIGH = 0x0c8;
export const VIRTIO_MMIO_MSI_DATA = 0x0cc;

/** MsiStatus, read: MSI is offered. */
export const VIRTIO_MMIO_MSI_STATUS_OFFERED = 0x8000;
/** MsiStatus, read: the largest vector index. */
export const VIRTIO_MMIO_MSI_STATUS_VECTOR_MASK = 0x07ff;
/** MsiStatus, write: enable. */
export const VIRTIO_MMIO_MSI_STATUS_ENABLE = 0x8000;

/** MsiCommand: operation in bits 15..12, vector index in bits 11..0. */
export const VIRTIO_MMIO_MSI_COMMAND_SHIFT = 12;
export const VIRTIO_MMIO_MSI_COMMAND_ARGUMENT_MASK = 0x0fff;
export const VIRTIO_MMIO_MSI_COMMAND_UPDATE = 1;
export const VIRTIO_MMIO_MSI_COMMAND_MASK = 2;
export const VIRTIO_MMIO_MSI_COMMAND_UNMASK = 3;

/** Vector of configuration changes; queue i has vector i + 1. */
export const VIRTIO_MMIO_MSI_CONFIG_VECTOR = 0;

/** Bytes of one device's window: registers and configuration, then doorbells. */
export const VIRTIO_MMIO_WINDOW_SIZE = 0x2000;
/** Offset of queue 0's doorbell in the window. */
export const VIRTIO_MMIO_DOORBELL_BASE = 0x1000;
/** Bytes from one queue's doorbell to the next one's. */
export const VIRTIO_MMIO_DOORBELL_STRIDE = 4;

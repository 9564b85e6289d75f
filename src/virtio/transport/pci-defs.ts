/**
 * Named constants of PCI (PCI Local Bus Specification 3.0) and of virtio over PCI (virtio 1.2 section 4.1), spelled
 * as the specifications and their header files spell them.
 */

/** Configuration space header, type 0: offsets (PCI 3.0 section 6.1). */
export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_COMMAND = 0x04;
export const PCI_STATUS = 0x06;
export const PCI_REVISION_ID = 0x08;
export const PCI_CLASS_PROG = 0x09;
export const PCI_CLASS_DEVICE = 0x0a;
export const PCI_BASE_ADDRESS_0 = 0x10;
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
export const PCI_SUBSYSTEM_ID = 0x2e;
export const PCI_CAPABILITY_LIST = 0x34;
export const PCI_INTERRUPT_LINE = 0x3c;
export const PCI_INTERRUPT_PIN = 0x3d;
/** Where the device-dependent part begins: capabilities lie there. */
export const PCI_STD_HEADER_SIZEOF = 0x40;
/** Bytes of a function's configuration space. */
export const PCI_CFG_SPACE_SIZE = 256;

/** Command register (PCI 3.0 section 6.2.2). */
export const PCI_COMMAND_MEMORY = 0x0002;
export const PCI_COMMAND_MASTER = 0x0004;
export const PCI_COMMAND_INTX_DISABLE = 0x0400;
/** Status register (PCI 3.0 section 6.2.3). */
export const PCI_STATUS_INTERRUPT = 0x0008;
export const PCI_STATUS_CAP_LIST = 0x0010;

/** Capability IDs (PCI 3.0 appendix H). */
export const PCI_CAP_ID_VNDR = 0x09;
export const PCI_CAP_ID_MSIX = 0x11;

/** MSI-X capability: offsets from its start, and Message Control bits (PCI 3.0 section 6.8.2). */
export const PCI_MSIX_FLAGS = 2;
export const PCI_MSIX_FLAGS_MASKALL = 0x4000;
export const PCI_MSIX_FLAGS_ENABLE = 0x8000;
/** MSI-X table entry: offsets and the mask bit of Vector Control. */
export const PCI_MSIX_ENTRY_SIZE = 16;
export const PCI_MSIX_ENTRY_LOWER_ADDR = 0;
export const PCI_MSIX_ENTRY_UPPER_ADDR = 4;
export const PCI_MSIX_ENTRY_DATA = 8;
export const PCI_MSIX_ENTRY_VECTOR_CTRL = 12;
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 1;

/** Vendor of virtio devices, and the device ID of type 0 (virtio 1.2 section 4.1.2). */
export const PCI_VENDOR_ID_VIRTIO = 0x1af4;
export const PCI_DEVICE_ID_VIRTIO_BASE = 0x1040;
/** A device without legacy interface has Revision ID 1 or higher (virtio 1.2 section 4.1.2.1). */
export const VIRTIO_PCI_REVISION = 1;
/** Such a device has a Subsystem ID of 0x40 or higher. */
export const VIRTIO_PCI_SUBSYSTEM = 0x40;

/** Structure types of a virtio capability: cfg_type (virtio 1.2 section 4.1.4). */
export const VIRTIO_PCI_CAP_COMMON_CFG = 1;
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
export const VIRTIO_PCI_CAP_ISR_CFG = 3;
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
export const VIRTIO_PCI_CAP_PCI_CFG = 5;
/** struct virtio_pci_cap: offsets from the capability's start. */
export const VIRTIO_PCI_CAP_BAR = 4;
export const VIRTIO_PCI_CAP_OFFSET = 8;
export const VIRTIO_PCI_CAP_LENGTH = 12;
/** After it: the multiplier in the notify capability, pci_cfg_data in the one for access through configuration space. */
export const VIRTIO_PCI_NOTIFY_CAP_MULT = 16;
export const VIRTIO_PCI_CFG_DATA = 16;

/** struct virtio_pci_common_cfg (virtio 1.2 section 4.1.4.3). */
export const VIRTIO_PCI_COMMON_DFSELECT = 0;
export const VIRTIO_PCI_COMMON_DF = 4;
export const VIRTIO_PCI_COMMON_GFSELECT = 8;
export const VIRTIO_PCI_COMMON_GF = 12;
export const VIRTIO_PCI_COMMON_MSIX = 16;
export const VIRTIO_PCI_COMMON_NUMQ = 18;
export const VIRTIO_PCI_COMMON_STATUS = 20;
export const VIRTIO_PCI_COMMON_CFGGENERATION = 21;
export const VIRTIO_PCI_COMMON_Q_SELECT = 22;
export const VIRTIO_PCI_COMMON_Q_SIZE = 24;
export const VIRTIO_PCI_COMMON_Q_MSIX = 26;
export const VIRTIO_PCI_COMMON_Q_ENABLE = 28;
export const VIRTIO_PCI_COMMON_Q_NOFF = 30;
export const VIRTIO_PCI_COMMON_Q_DESCLO = 32;
export const VIRTIO_PCI_COMMON_Q_DESCHI = 36;
export const VIRTIO_PCI_COMMON_Q_AVAILLO = 40;
export const VIRTIO_PCI_COMMON_Q_AVAILHI = 44;
export const VIRTIO_PCI_COMMON_Q_USEDLO = 48;
export const VIRTIO_PCI_COMMON_Q_USEDHI = 52;
/** Its length without the fields that only features which are never offered bring (queue_notify_data, queue_reset). */
export const VIRTIO_PCI_COMMON_SIZE = 56;

/** An event that no vector is mapped to. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

/** ISR status bits (virtio 1.2 section 4.1.4.5). */
export const VIRTIO_PCI_ISR_QUEUE = 1;
export const VIRTIO_PCI_ISR_CONFIG = 2;

/**
 * Our one memory BAR, by pages of 4 KiB: structures, doorbells, MSI-X table, MSI-X pending bits. Each of the last two
 * has a page to itself, as PCI 3.0 section 6.8.2 recommends.
 */
export const PCI_BAR_SIZE = 0x4000;
export const PCI_BAR_COMMON = 0x0000;
export const PCI_BAR_ISR = 0x0100;
export const PCI_BAR_DEVICE = 0x0200;
export const PCI_BAR_NOTIFY = 0x1000;
export const PCI_BAR_MSIX_TABLE = 0x2000;
export const PCI_BAR_MSIX_PBA = 0x3000;
/** Bytes from one queue's doorbell to the next one's: notify_off_multiplier. */
export const PCI_NOTIFY_MULTIPLIER = 4;

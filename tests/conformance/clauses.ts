import { TRANSPORT_NAMES, type TransportName } from "../../src/virtio/testing/mock-rig.ts";
import { SUBJECT_NAMES, type SubjectName } from "../hostile/subjects.ts";

/**
 * Every clause of the standard (virtio 1.2, and what 1.3 and 1.4 added) that a device's behaviour can be held against,
 * in our words: the one source of the conformance suite and of docs/conformance.md. MSI-* is not the standard's but
 * docs/virtio-mmio-v3.md's. A line has
 *
 * id | level | clause | section | devices | transports | why it does not apply | what shows that it does not
 *
 * Level: M must, N must not, S should, D what the format says without such a word, R a rule for drivers, broken.
 * Devices and transports: those that it is about, all when empty. What shows that a clause does not apply: feature
 * bits that are offered nowhere, "device" and a type that no device has, or the name of a test in absent.spec.ts.
 */
const TABLE = `
STAT-01 | D | Status is 0 when the machine starts. | Device Status Field
STAT-02 | N | No buffer is taken before DRIVER_OK. | Device Status Field
STAT-03 | N | No used buffer notification is sent before DRIVER_OK. | Device Status Field
STAT-04 | S | What cannot be recovered from sets DEVICE_NEEDS_RESET. | Device Status Field
STAT-05 | M | DEVICE_NEEDS_RESET after DRIVER_OK comes with a configuration change notification. | Device Status Field
STAT-06 | M | FEATURES_OK reads back as 0 when what was accepted cannot be used. | Feature Bits
STAT-07 | D | Status reads back the bits that the driver has set. | MMIO Device Register Layout
STAT-08 | D | Writing 0 to Status resets; other values set progress bits. | MMIO Device Register Layout
STAT-09 | R | A driver that clears a status bit without a reset changes nothing. | Device Status Field
STAT-10 | R | A driver that skips a step on the way to DRIVER_OK is not followed. | Device Initialization
STAT-11 | R | After FAILED nothing but a reset is listened to. | Device Status Field
STAT-12 | R | A notification before DRIVER_OK has no effect. | Device Initialization
FEAT-01 | M | VIRTIO_F_VERSION_1 is offered. | Reserved Feature Bits
FEAT-02 | N | No feature is offered without those that it needs. | Feature Bits
FEAT-03 | N | No bit is offered that is not honoured: undefined, reserved, or of another device or transport. | Feature Bits
FEAT-04 | S | Any valid part of the offer is accepted. | Feature Bits
FEAT-05 | S | What was negotiated once is accepted again after a reset. | Feature Bits
FEAT-06 | R | A driver that accepts a bit that was not offered does not get FEATURES_OK. | Feature Bits
FEAT-07 | R | Features written after FEATURES_OK change nothing. | Device Initialization
FEAT-08 | D | The feature selector picks a word of 32 bits; words from 2 on read 0. | MMIO Device Register Layout
FEAT-09 | D | The driver's feature selector picks the word that is written. | MMIO Device Register Layout
FEAT-10 | N | SR_IOV is not offered. | Reserved Feature Bits |  |  | a device of ours is one function, and on mmio there is none | 37
FEAT-11 | N | ADMIN_VQ is not offered over MMIO. | Features reserved for future use |  |  | the standard reserves it on mmio, and on PCI we have no administration queue | 41
FEAT-12 | M | With IN_ORDER buffers are used in the order in which they were made available. | Reserved Feature Bits |  |  | IN_ORDER is not offered | 35
FEAT-13 | D | With NOTIFICATION_DATA the notification carries queue, offset and wrap. | Driver Notifications |  |  | NOTIFICATION_DATA is not offered | 38
FEAT-14 | D | Of bits 24 to 31 only INDIRECT_DESC and EVENT_IDX are offered; the others are of the legacy interface. | Legacy Interface: Reserved Feature Bits
RST-01 | M | Status becomes 0 after a reset was asked for. | Device Reset
RST-02 | N | Once Status reads 0 nothing is notified, whatever comes late from outside. | Device Reset
RST-03 | N | Once Status reads 0 no ring is touched. | Device Reset
RST-04 | M | A reset clears InterruptStatus, and on PCI the ISR status. | MMIO Device Register Layout
RST-05 | M | A reset clears QueueReady of every queue, and on PCI queue_enable. | MMIO Device Register Layout
RST-06 | M | With RING_RESET QueueReset reads 0 after a device reset. | MMIO Device Register Layout |  |  | RING_RESET is not offered: its register is where version 3 has MsiStatus | 40
VQR-01 | N | With RING_RESET no request of a queue is carried out after its reset. | Virtqueue Reset |  |  | RING_RESET is not offered | 40
VQR-02 | N | With RING_RESET the driver is not notified for a queue after its reset. | Virtqueue Reset |  |  | RING_RESET is not offered | 40
VQR-03 | M | With RING_RESET all state of the queue is as at the start. | Virtqueue Reset |  |  | RING_RESET is not offered | 40
VQR-04 | M | With RING_RESET enabling a queue again takes its new configuration. | Virtqueue Re-enable |  |  | RING_RESET is not offered | 40
SUSP-01 | M | With SUSPEND the bit is ignored before the device is initialised. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-02 | N | A suspended device sends no notification for a queue. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-03 | N | A suspended device touches no queue. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-04 | N | A suspended device does not change its configuration. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-05 | N | A suspended device sends no configuration change notification. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-06 | M | That notification is sent when the device is resumed. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-07 | M | Asked to suspend a device does so, or needs a reset. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-08 | M | Asked to resume a device does so, or needs a reset. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-09 | S | Configuration written to a suspended device is ignored. | Device Suspend |  |  | SUSPEND is not offered | 43
SUSP-10 | S | Before it says that it is suspended a device finishes what is under way. | Device Suspend |  |  | SUSPEND is not offered | 43
CFG-01 | M | All configuration fields can be read before FEATURES_OK. | Device Configuration Space | net console
CFG-02 | M | ConfigGeneration changes whenever a driver could see half of a change. | MMIO Device Register Layout | net console
CFG-03 | D | ConfigGeneration stays as it is while nothing changes. | ConfigGeneration | net console
CFG-04 | D | A change made by the device comes with a configuration change notification. | Notification of Device Configuration Changes | net console
CFG-05 | D | Configuration fields are little-endian and can be read byte by byte. | Device Configuration Space | net console
CFG-06 | R | Configuration accessed in odd widths, at odd places or past its end gives 0 there and harms nothing. | MMIO Device Register Layout
CFG-07 | R | Configuration written before FEATURES_OK changes nothing. | Device Initialization | net console
SHM-01 | M | Shared memory regions are not used to control a device or to stream data. | Shared Memory Regions |  |  | there is no shared memory region | no shared memory
SHM-02 | D | A shared memory region that is not there has length and address of all ones. | SHMLen, SHMBase |  | mmio
SVQ-01 | D | A queue's size is a power of two, and its maximum at most 32768. | Split Virtqueues
SVQ-02 | D | Rings are aligned to 16, 2 and 4 bytes; others are refused. | Split Virtqueues
SVQ-03 | N | How a message is cut into descriptors does not matter. | Message Framing
SVQ-04 | D | A chain of as many descriptors of one byte as the queue has is taken. | Message Framing
SVQ-05 | N | A device-readable buffer is never written. | The Virtqueue Descriptor Table
SVQ-06 | S | A device-writable buffer is not read. | The Virtqueue Descriptor Table
SVQ-07 | N | A descriptor is never written. | The Virtqueue Descriptor Table
SVQ-08 | M | A used element is complete before the used index moves. | The Virtqueue Used Ring
SVQ-09 | M | As many bytes as the used element says are written before the used index moves, from the first writable one on. | The Virtqueue Used Ring
SVQ-10 | D | The used id is the head, and the length counts bytes written. | The Virtqueue Used Ring
SVQ-11 | D | Indices begin at 0, go to 65535 and on at 0; the slot is the index modulo the size. | The Virtqueue Available Ring
SVQ-12 | R | A chain that loops, or is longer than 2^32 bytes, stops the device. | The Virtqueue Descriptor Table
SVQ-13 | R | A readable descriptor after a writable one stops the device. | Message Framing
SVQ-14 | R | An available index that goes back, or further than the queue's size, stops the device. | The Virtqueue Available Ring
IND-01 | M | WRITE on a descriptor that names an indirect table is ignored. | Indirect Descriptors
IND-02 | M | Direct descriptors followed by an indirect one are one chain. | Indirect Descriptors
IND-03 | D | An indirect table is followed from entry 0 by next; readable and writable entries may be mixed. | Indirect Descriptors
IND-04 | D | Without INDIRECT_DESC negotiated, INDIRECT stops the device. | Reserved Feature Bits
IND-05 | R | A table in a table stops the device. | Indirect Descriptors
IND-06 | R | INDIRECT together with NEXT stops the device. | Indirect Descriptors
IND-07 | R | A chain through a table longer than the queue, a table of odd length and an empty one stop the device. | Indirect Descriptors
UNS-01 | M | Without EVENT_IDX used_event is ignored. | Used Buffer Notification Suppression
UNS-02 | M | Without EVENT_IDX and with flags 0 used buffers are notified. | Used Buffer Notification Suppression
UNS-03 | S | Without EVENT_IDX and with flags 1 they are not. | Used Buffer Notification Suppression
UNS-04 | M | With EVENT_IDX flags are ignored. | Used Buffer Notification Suppression
UNS-05 | M | With EVENT_IDX a batch that passes used_event is notified. | Used Buffer Notification Suppression
UNS-06 | S | With EVENT_IDX any other is not. | Used Buffer Notification Suppression
UNS-07 | D | With used_event 0 the first buffer and the 65537th are notified, and none between. | Used Buffer Notification Suppression
ANS-01 | M | Without EVENT_IDX used.flags is 0 or 1. | Available Buffer Notification Suppression
ANS-02 | M | With EVENT_IDX used.flags is 0. | Available Buffer Notification Suppression
ANS-03 | D | With EVENT_IDX avail_event always names a buffer still to come, so that no notification is lost. | Available Buffer Notification Suppression
ANS-04 | M | Notifications without a buffer are tolerated. | Available Buffer Notification Suppression
LEG-01 | M | A transitional device serves drivers of the legacy interface. | Legacy Interfaces |  |  | no device is transitional: Version is never 1, PCI device IDs are above 0x103f, and VERSION_1 has to be accepted | no legacy interface
PVQ-01 | M | Driver descriptors of a packed ring are started in ring order. | Packed Virtqueues |  |  | RING_PACKED is not offered | 34
PVQ-02 | M | Device descriptors of a packed ring are in the order of completion. | Packed Virtqueues |  |  | RING_PACKED is not offered | 34
PVQ-03 | N | A readable buffer of a packed ring is never written. | Packed: Virtqueue Descriptor Table |  |  | RING_PACKED is not offered | 34
PVQ-04 | N | A packed descriptor is not used before its AVAIL bit has changed. | Packed: Virtqueue Descriptor Table |  |  | RING_PACKED is not offered | 34
PVQ-05 | N | A packed descriptor is not changed after its USED bit was. | Packed: Virtqueue Descriptor Table |  |  | RING_PACKED is not offered | 34
PVQ-06 | M | Chained packed descriptors are used in the order of the list. | Packed: Scatter-Gather Support |  |  | RING_PACKED is not offered | 34
MMIO-D-01 | M | MagicValue reads 0x74726976. | MMIO Device Register Layout |  | mmio
MMIO-D-02 | M | Version reads 2 for the standard's interface. Ours reads 3 as soon as it offers more, so that a driver of the standard leaves it alone. | MMIO Device Register Layout |  | mmio
MMIO-D-03 | D | DeviceID reads the type of the device. | DeviceID |  | mmio
MMIO-D-04 | M | An event sets its bit of InterruptStatus, where it stays until it is acknowledged. | MMIO Device Register Layout |  | wired
MMIO-D-05 | M | Bits of events that did not happen read 0. | MMIO Device Register Layout |  | wired
MMIO-D-06 | D | InterruptACK clears the bits written as 1, and the line is up as long as one is left. | InterruptACK |  | wired
MMIO-D-07 | M | A reset clears all bits of InterruptStatus and QueueReady. | MMIO Device Register Layout |  | mmio
MMIO-D-08 | M | ConfigGeneration is the same before and after reading only if nothing changed between. | MMIO Device Register Layout | net console | mmio
MMIO-D-09 | N | Nothing of a queue is accessed while QueueReady is 0. | MMIO Device Register Layout |  | mmio
MMIO-D-10 | M | With RING_RESET QueueReset reads 0 at reset. | MMIO Device Register Layout |  |  | RING_RESET is not offered | 40
MMIO-D-11 | M | With RING_RESET QueueReset reads 0 after the queue was enabled. | MMIO Device Register Layout |  |  | RING_RESET is not offered | 40
MMIO-D-12 | M | With RING_RESET writing 1 to QueueReset resets the queue. | MMIO Device Register Layout |  |  | RING_RESET is not offered | 40
MMIO-D-13 | M | With RING_RESET QueueReset reads 1 while the reset goes on. | MMIO Device Register Layout |  |  | RING_RESET is not offered | 40
MMIO-D-14 | M | With RING_RESET QueueReset and QueueReady read 0 when it is done. | MMIO Device Register Layout |  |  | RING_RESET is not offered | 40
MMIO-D-15 | D | QueueNumMax reads 0 for a queue that does not exist. | QueueSizeMax |  | mmio
MMIO-D-16 | D | QueueReady reads what was written last, queue by queue. | QueueReady |  | mmio
MMIO-D-17 | D | Queue registers act on the queue that QueueSel names. | QueueSel |  | mmio
MMIO-D-18 | D | Queue addresses are written in halves, in any order. | QueueDesc, QueueDriver, QueueDevice |  | mmio
MMIO-D-19 | D | Registers are little-endian. | MMIO Device Register Layout |  | mmio
MMIO-D-20 | R | Control registers accessed other than 32 bits wide and aligned read 0 and change nothing. | MMIO Device Register Layout |  | mmio
MMIO-D-21 | R | Write-only registers read, read-only ones written and undefined ones do nothing. | MMIO Device Register Layout |  | mmio
MMIO-D-22 | R | A queue size above the maximum or no power of two does not become a queue. | MMIO Device Register Layout |  | mmio
MMIO-D-23 | R | A queue's size and addresses do not change while QueueReady is 1. | MMIO Device Register Layout |  | mmio
MMIO-D-24 | R | Undefined bits written to InterruptACK do nothing. | MMIO Device Register Layout |  | wired
MMIO-D-25 | D | Writing 0 to QueueReady stops the queue, and it reads 0 then. | MMIO Device Register Layout |  | mmio
MMIO-D-26 | D | QueueNotify of a queue that does not exist or is not ready has no effect. | QueueNotify |  | mmio
NET-01 | D | Queues are receive and transmit of each pair, then control; without MQ the pair is one. | Network: Virtqueues | net
NET-02 | M | With MQ max_virtqueue_pairs is 1 to 0x8000. | Network: Device configuration layout | net
NET-03 | M | mtu is 68 to 65535. | Network: Device configuration layout | net
NET-04 | S | mtu is at least 1280. | Network: Device configuration layout | net
NET-05 | N | mtu does not change. | Network: Device configuration layout | net
NET-06 | N | Without segmentation left to do, nothing longer than mtu and link header is passed up. | Network: Device configuration layout | net
NET-07 | M | Frames of up to mtu and link header are forwarded whole. | Network: Device configuration layout | net
NET-08 | M | With RSS or HASH_REPORT rss_max_key_size is at least 40. | Network: Device configuration layout | net |  | RSS and HASH_REPORT are not offered | 57 60
NET-09 | M | With RSS the indirection table has room for 128 entries. | Network: Device configuration layout | net |  | RSS is not offered | 60
NET-10 | M | With SPEED_DUPLEX speed is in Mbit/s or unknown. | Network: Device configuration layout | net |  | SPEED_DUPLEX is not offered | 63
NET-11 | M | With SPEED_DUPLEX duplex is full, half or unknown. | Network: Device configuration layout | net |  | SPEED_DUPLEX is not offered | 63
NET-12 | S | With SPEED_DUPLEX neither changes while the link is up. | Network: Device configuration layout | net |  | SPEED_DUPLEX is not offered | 63
NET-13 | S | HASH_REPORT and CTRL_RX_EXTRA are not offered without CTRL_VQ. | Network: Device configuration layout | net
NET-14 | D | Configuration is read-only for the driver. | Network: Device configuration layout | net
NET-15 | D | The header has 12 bytes, MRG_RXBUF negotiated or not. | Network: Device Operation | net
NET-TX-01 | M | Unknown bits of the header's flags are ignored. | Network: Packet Transmission | net
NET-TX-02 | N | Without NEEDS_CSUM csum_start and csum_offset are not used. | Network: Packet Transmission | net
NET-TX-03 | N | Without NEEDS_CSUM the packet's checksum is not relied on: the frame goes on as it is. | Network: Packet Transmission | net
NET-TX-04 | N | hdr_len is not relied on. | Network: Packet Transmission | net
NET-TX-05 | D | NEEDS_CSUM names where the checksum of the rest is to be stored; both ends are checked. | Network: Packet Transmission | net
NET-TX-06 | N | outer_nh_offset is not used unless negotiated. | Network: Packet Transmission | net |  | OUT_NET_HEADER is not offered | 69
NET-TX-07 | N | A packet with both tunnel types is not accepted. | Network: Packet Transmission | net |  | UDP tunnel offloads are not offered | 65 66 67 68
NET-TX-08 | N | Without a tunnel type its offsets are not used. | Network: Packet Transmission | net |  | UDP tunnel offloads are not offered | 65 66 67 68
NET-TX-09 | N | A tunnel type with wrong flags is not accepted. | Network: Packet Transmission | net |  | UDP tunnel offloads are not offered | 65 66 67 68
NET-TX-10 | N | A tunnel checksum without a tunnel type is not accepted. | Network: Packet Transmission | net |  | UDP tunnel offloads are not offered | 65 66 67 68
NET-TX-11 | N | Without a security flag its fields are not used. | Network: Packet Transmission | net |  | IPsec is not offered | 70
NET-RX-01 | M | num_buffers is the number of buffers used for the packet. | Network: Setting Up Receive Buffers | net
NET-RX-02 | M | Without MRG_RXBUF a packet has exactly one buffer. | Network: Setting Up Receive Buffers | net
NET-RX-03 | M | Without MRG_RXBUF num_buffers is 1, little-endian. | Network: Processing of Incoming Packets | net
NET-RX-04 | M | With MRG_RXBUF all buffers but the last are filled completely. | Network: Processing of Incoming Packets | net
NET-RX-05 | M | With MRG_RXBUF the buffers of a packet become used together. | Network: Processing of Incoming Packets | net
NET-RX-06 | M | Without GUEST_CSUM flags are 0. | Network: Processing of Incoming Packets | net
NET-RX-07 | S | Without GUEST_CSUM a packet that still wants its checksum is not passed up. | Network: Processing of Incoming Packets | net
NET-RX-08 | N | TCPV4 is not set without GUEST_TSO4. | Network: Processing of Incoming Packets | net
NET-RX-09 | N | UDP is not set without GUEST_UFO. | Network: Processing of Incoming Packets | net |  | GUEST_UFO is not offered | 10
NET-RX-10 | N | TCPV6 is not set without GUEST_TSO6. | Network: Processing of Incoming Packets | net |  | GUEST_TSO6 is not offered | 8
NET-RX-11 | N | UDP_L4 is not set without GUEST_USO4 or GUEST_USO6. | Network: Processing of Incoming Packets | net |  | GUEST_USO4 and GUEST_USO6 are not offered | 54 55
NET-RX-12 | M | Without any segmentation offload gso_type is NONE. | Network: Processing of Incoming Packets | net
NET-RX-13 | M | Another gso_type comes with NEEDS_CSUM and the segment size. | Network: Processing of Incoming Packets | net
NET-RX-14 | M | With GUEST_ECN a segment with ECN is marked. | Network: Processing of Incoming Packets | net |  | GUEST_ECN is not offered | 9
NET-RX-15 | M | NEEDS_CSUM comes with the place that completes the checksum. | Network: Processing of Incoming Packets | net
NET-RX-16 | M | DATA_VALID is set for checksums that were validated only: here never. | Network: Processing of Incoming Packets | net
NET-RX-17 | M | RSC_INFO is set only with RSC_EXT. | Network: Processing of Incoming Packets | net |  | RSC_EXT is not offered | 61
NET-RX-18 | N | Tunnel bits are set only with their features. | Network: Processing of Incoming Packets | net |  | UDP tunnel offloads are not offered | 65 66 67 68
NET-RX-19 | M | Security flags follow the outcome of IPsec. | Network: Processing of Incoming Packets | net |  | IPsec is not offered | 70
NET-CTRL-01 | D | A command is class, command, data and ack; what is not known is answered ERR. | Network: Control Virtqueue | net
NET-CTRL-02 | M | With CTRL_RX PROMISC and ALLMULTI are supported. | Network: Packet Receive Filtering | net |  | CTRL_RX is not offered: the card takes every frame of its cable | 18
NET-CTRL-03 | M | With CTRL_RX_EXTRA four more modes are. | Network: Packet Receive Filtering | net |  | CTRL_RX_EXTRA is not offered | 20
NET-CTRL-04 | S | The modes do what they say, together too. | Network: Packet Receive Filtering | net |  | CTRL_RX is not offered | 18
NET-CTRL-05 | M | The table of MAC addresses is empty after a reset. | Network: Setting MAC Address Filtering | net |  | CTRL_RX, whose command sets the table, is not offered | 18
NET-CTRL-06 | M | The table is changed before its command is used. | Network: Setting MAC Address Filtering | net |  | CTRL_RX, whose command sets the table, is not offered | 18
NET-CTRL-07 | M | mac is changed before MAC_ADDR_SET is used. | Network: Setting MAC Address Filtering | net
NET-CTRL-08 | S | Packets for neither mac nor table are dropped. | Network: Setting MAC Address Filtering | net |  | there is no receive filter: CTRL_RX is not offered | 18
NET-CTRL-09 | M | Without CTRL_VLAN frames with a VLAN tag are accepted. | Network: VLAN Filtering | net
NET-CTRL-10 | M | With CTRL_VLAN the listed VLANs are. | Network: VLAN Filtering | net |  | CTRL_VLAN is not offered | 19
NET-CTRL-11 | M | S_ANNOUNCE is cleared before ANNOUNCE_ACK is used. | Network: Gratuitous Packet Sending | net |  | GUEST_ANNOUNCE is not offered | 21
NET-MQ-01 | M | After a reset packets go to the first receive queue. | Network: Automatic receive steering | net
NET-MQ-02 | N | Nothing is queued above the number of pairs that was set. | Network: Automatic receive steering | net
NET-MQ-03 | M | Steering goes by flows: all packets of one go to one queue. | Network: Automatic receive steering | net
NET-MQ-04 | S | A flow is received on the queue of its transmission. | Network: Automatic receive steering | net
NET-MQ-05 | R | Numbers of pairs that are 0 or too large are refused. | Network: Automatic receive steering | net
NET-MQ-06 | M | A packet is dropped while all receive queues are being reset. | Network: Automatic receive steering | net |  | RING_RESET is not offered | 40
NET-RSS-01 | M | With RSS the table decides about the queue. | Network: Receive-side scaling | net |  | RSS is not offered | 60
NET-RSS-02 | M | With HASH_REPORT its configuration command is supported. | Network: Hash calculation | net |  | HASH_REPORT is not offered | 57
NET-RSS-03 | M | RSS contexts are cleared by a reset. | Network: RSS Context | net |  | RSS is not offered | 60
NET-HT-01 | M | With HASH_TUNNEL the outer header is the fallback. | Network: Inner Header Hash | net |  | HASH_TUNNEL is not offered | 51
NET-COAL-01 | M | Reserved fields of coalescing commands are ignored: those of single queues have one. | Network: Notifications Coalescing | net |  | VQ_NOTF_COAL is not offered | 52
NET-COAL-02 | M | Coalescing of a queue that is not enabled is answered ERR. | Network: Notifications Coalescing | net |  | VQ_NOTF_COAL is not offered | 52
NET-COAL-03 | M | A queue that is enabled again takes the parameters that hold. | Network: Notifications Coalescing | net |  | RING_RESET, without which none is, is not offered | 40
NET-COAL-04 | M | A reset zeroes the coalescing parameters. | Network: Notifications Coalescing | net
NET-COAL-05 | S | Suppressed notifications stay suppressed when they are due by coalescing. | Network: Notifications Coalescing | net
NET-STAT-01 | M | Statistics are queried with their capabilities. | Network: Device Statistics | net |  | DEVICE_STATS is not offered | 50
NET-STAT-02 | M | An error in a list of requests fails the command. | Network: Device Statistics | net |  | DEVICE_STATS is not offered | 50
NET-STAT-03 | M | Replies have their headers right. | Network: Device Statistics | net |  | DEVICE_STATS is not offered | 50
NET-STAT-04 | M | Statistics wrap to 0. | Network: Device Statistics | net |  | DEVICE_STATS is not offered | 50
NET-FF | M | Flow filters are managed by administration commands. | Network: Flow filter | net |  | there is no administration queue | 41
NET-IPSEC | M | IPsec is managed by administration commands. | Network: IPsec Operation | net |  | there is no administration queue | 41
CON-01 | M | A write of emerg_wr is taken even before initialisation. | Console: Device Initialization | console |  | EMERG_WRITE is not offered | 2
CON-02 | S | The low byte of emerg_wr is output. | Console: Device Initialization | console |  | EMERG_WRITE is not offered | 2
CON-03 | N | DEVICE_ADD names no port twice. | Console: Multiport Device Operation | console
CON-04 | N | DEVICE_ADD names no port from max_nr_ports on. | Console: Multiport Device Operation | console
CON-05 | N | DEVICE_REMOVE names only a port that was added: here no port is ever removed. | Console: Multiport Device Operation | console
CON-06 | D | Queues are those of port 0, the two of control, then those of each further port; without MULTIPORT the first two only. | Console: Virtqueues | console
CON-07 | D | A control message is id, event and value; RESIZE is followed by columns and rows, PORT_NAME by the name without NUL. | Console: Multiport Device Operation | console
CON-08 | D | With SIZE cols and rows are right, and a change is notified. | Console: Device Operation | console
CON-09 | D | DEVICE_READY is answered by DEVICE_ADD for each port, PORT_READY by what the port is. | Console: Multiport Device Operation | console
CON-10 | R | A readable buffer to receive with, or a writable one to transmit, is not used as such and comes back. | Console: Device Operation | console
CON-11 | D | Every transmitted buffer comes back once, with length 0. | The Virtqueue Used Ring | console
BLK-01 | M | CONFIG_WCE is not offered without FLUSH. | Block: Device Initialization |  |  | there is no block device | device 2
BLK-02 | M | CONFIG_WCE without FLUSH starts with write-through. | Block: Device Initialization |  |  | there is no block device | device 2
BLK-03 | M | Padding of the configuration is 0. | Block: Device Initialization |  |  | there is no block device | device 2
BLK-04 | D | Capacity is in sectors, and the status is the last byte. | Block: Device Operation |  |  | there is no block device | device 2
BLK-05 | M | Writes to a read-only disk fail. | Block: Device Operation |  |  | there is no block device | device 2
BLK-06 | N | They write nothing. | Block: Device Operation |  |  | there is no block device | device 2
BLK-07 | M | Unknown flags of discards are refused. | Block: Device Operation |  |  | there is no block device | device 2
BLK-08 | M | A discard with unmap is refused. | Block: Device Operation |  |  | there is no block device | device 2
BLK-09 | M | A range of zeroes reads as zeroes. | Block: Device Operation |  |  | there is no block device | device 2
BLK-10 | S | write_zeroes_may_unmap says whether zeroes may be unmapped. | Block: Device Operation |  |  | there is no block device | device 2
BLK-11 | M | Stable writes are committed. | Block: Device Operation |  |  | there is no block device | device 2
BLK-12 | M | A flush commits all that was completed before. | Block: Device Operation |  |  | there is no block device | device 2
BLK-13 | S | A changed capacity is notified. | Block: Device Operation |  |  | there is no block device | device 2
BLK-14 | N | LIFETIME is offered only where it is known. | Block: Device Operation |  |  | there is no block device | device 2
BLK-15 | M | Without ZONED zone commands are refused. | Block: Device Operation |  |  | there is no block device | device 2
BLK-16 | M | Zoned devices have their own rules. | Block: Device Operation |  |  | there is no block device | device 2
BLK-17 | D | GET_ID gives up to 20 bytes. | Block: Device Operation |  |  | there is no block device | device 2
BLK-18 | D | Unknown requests are refused. | Block: Device Operation |  |  | there is no block device | device 2
BLK-19 | R | Requests past the capacity or of odd length are refused. | Block: Device Operation |  |  | there is no block device | device 2
BLK-20 | D | With MQ every request queue works. | Block: Virtqueues |  |  | there is no block device | device 2
RNG-01 | M | At least one random byte is given for a request. | Entropy: Device Operation | rng
RNG-02 | D | The used length is the number of bytes given. | Entropy: Device Operation | rng
RNG-03 | D | There is one queue, no feature of its own, and no configuration field of the standard. | Entropy: Virtqueues | rng
RNG-04 | R | A readable buffer in the queue is not written, and an enormous chain costs no more than 64 KiB. | Entropy: Device Operation | rng
MSI-01 | M | With MSI disabled InterruptStatus is as in version 2. | V3-MSI-04, V3-INT-03 |  | mmio 3 msi
MSI-02 | N | With MSI enabled InterruptStatus stays 0. | V3-INT-01 |  | mmio 3 msi
MSI-03 | M | With MSI enabled InterruptACK is ignored. | V3-INT-02 |  | mmio 3 msi
MSI-04 | M | A reset disables MSI. | V3-RESET-01 |  | mmio 3 msi
MSI-05 | M | The number of vectors can be read. | V3-MSI-01 |  | mmio 3 msi
MSI-06 | S | There is a vector for each queue and one for the configuration. | V3-MSI-01 |  | mmio 3 msi
MSI-07 | M | An event can be without a vector, and is silent then. | V3-MSI-12 |  | mmio 3 msi
MSI-08 | S | Events can be mapped to vectors. | revision B of the interface |  |  | revision A has fixed vectors, and feature bit 40, which revision B used, is not offered | 40
MSI-09 | M | A doorbell of its own notifies a queue. | V3-BELL-01, V3-BELL-04 |  | mmio 3
MSI-10 | D | A message is replaced as a whole, by one command. | V3-MSI-06 |  | mmio 3 msi
MSI-11 | D | A masked event is kept and sent once when it is unmasked. | V3-MSI-10, V3-MSI-05 |  | mmio 3 msi
MSI-12 | D | MSI is enabled and disabled before DRIVER_OK only. | V3-MSI-03 |  | mmio 3 msi
MSI-13 | D | A driver that gives messages up has the wire. | V3-FALL-01, V3-FALL-02 |  | mmio 3 msi
MSI-14 | D | A message is a 32-bit store to 0xfeexxxxx with vector, delivery mode and trigger; others are refused. | V3-MSI-14, V3-MSI-15 |  | messages
MSI-15 | D | A snapshot carries enabled, messages, masks and what is pending. | docs/snapshots.md |  | mmio 3 msi
MSI-16 | D | Messages are edges: nothing is sent again without a new event. | V3-MSI-13 |  | messages
`;

/** Sets of transports that a clause can be about. */
const TRANSPORT_SETS: Readonly<Record<string, readonly TransportName[]>> = {
  "": TRANSPORT_NAMES,
  mmio: ["mmio 2", "mmio 3 wired", "mmio 3 msi"],
  "mmio 3": ["mmio 3 wired", "mmio 3 msi"],
  "mmio 3 msi": ["mmio 3 msi"],
  /** On mmio, by the wire. */
  wired: ["mmio 2", "mmio 3 wired"],
  messages: ["mmio 3 msi", "pci msi-x"],
};

export const LEVELS = {
  M: "must",
  N: "must not",
  S: "should",
  D: "format",
  R: "driver's rule broken",
} as const;

/** One line of the table. */
export interface Clause {
  readonly id: string;
  readonly level: keyof typeof LEVELS;
  /** In our words. */
  readonly text: string;
  /** Of the standard, by its own title; for MSI the requirement of docs/virtio-mmio-v3.md. */
  readonly section: string;
  readonly devices: readonly SubjectName[];
  readonly transports: readonly TransportName[];
  /** Why it does not apply, and what shows it. */
  readonly absent: { readonly reason: string; readonly shown: string } | undefined;
}

function parse(line: string): Clause {
  const [id = "", level = "", text = "", section = "", devices = "", transports = "", reason, shown = ""] =
    line.split("|").map((cell) => cell.trim());
  const set = TRANSPORT_SETS[transports];
  const named =
    devices === "" ? SUBJECT_NAMES : SUBJECT_NAMES.filter((name) => devices.split(" ").includes(name));
  if (!(level in LEVELS) || text === "" || section === "" || set === undefined || named.length === 0) {
    throw new Error(`no clause: ${line}`);
  }
  return {
    id,
    level: level as keyof typeof LEVELS,
    text,
    section,
    devices: named,
    transports: set,
    absent: reason ? { reason, shown } : undefined,
  };
}

export const CLAUSES: readonly Clause[] = TABLE.trim().split("\n").map(parse);

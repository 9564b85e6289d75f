// SPDX-License-Identifier: MIT
/*
 * Breaks the rings and misuses the registers of a virtio-mmio entropy device that no driver has, and
 * looks after each attack whether a reset brings it back. Needs root: it goes through /dev/mem.
 *
 * What it hands to the device lies in pages of its own, so that a device that obeys harms nobody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* The bus: windows of 8 KiB in a block of 128 KiB. The machine puts a spare device into one of them. */
#define BUS_BASE 0xd0000000u
#define BUS_SIZE 0x20000u
#define WINDOW 0x2000u
#define PAGE 0x1000u

/* Registers (virtio 1.2 section 4.2.2, and docs/virtio-mmio-v3.md for the last five). */
enum {
	MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014, DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030, QUEUE_NUM_MAX = 0x034, QUEUE_NUM = 0x038, QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050, INTERRUPT_STATUS = 0x060, INTERRUPT_ACK = 0x064, STATUS = 0x070,
	QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0, CONFIG = 0x100,
	MSI_STATUS = 0x0c0, MSI_COMMAND = 0x0c2, MSI_ADDRESS = 0x0c4, MSI_ADDRESS_HIGH = 0x0c8,
	MSI_DATA = 0x0cc, DOORBELL = 0x1000,
};
enum { S_ACKNOWLEDGE = 1, S_DRIVER = 2, S_DRIVER_OK = 4, S_FEATURES_OK = 8, S_NEEDS_RESET = 64 };
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };
enum { MSI_UPDATE = 1, MSI_MASK = 2, MSI_UNMASK = 3 };
#define MAGIC_VALUE 0x74726976u
#define ENTROPY 4u
#define INDIRECT_DESC (1u << 28)
#define EVENT_IDX (1u << 29)
#define VERSION_1 (1u << 0) /* bit 32 */
#define SIZE 16u
#define LOCAL_APIC 0xfee00000u

/* Places in the page of the rings. */
#define TABLE_AT 0x000u
#define AVAIL_AT 0x200u
#define USED_AT 0x400u

static const char usage[] =
	"usage: ringbreaker [--all | --attack NAME] [--list] [--window ADDRESS]\n"
	"Attacks a spare virtio device through /dev/mem, and checks after each attack that a reset\n"
	"brings it back. Start the machine with a spare device: npm run vm -- --spare.\n"
	"  --all              every attack, which is also what happens without arguments\n"
	"  --attack NAME      one attack, for example A01\n"
	"  --list             names what there is, and attacks nothing\n"
	"  --window ADDRESS   where the device's registers are (looked for on the bus)\n"
	"Exit status: 0 when the device survived everything, 1 when not, 2 when there is no device.\n";

struct page {
	volatile uint8_t *at;
	uint32_t physical;
};

static volatile uint8_t *window;
static uint32_t window_at;
static struct page rings, tables, buffers;
static uint16_t next_avail;
static int messages; /* the largest vector index, or -1 when messages are not offered */

static void fail(const char *what)
{
	fprintf(stderr, "ringbreaker: %s.\n", what);
	exit(2);
}

/* --- registers and memory ---------------------------------------------------------------------- */

static uint32_t get32(uint32_t reg) { return *(volatile uint32_t *)(window + reg); }
static void put32(uint32_t reg, uint32_t value) { *(volatile uint32_t *)(window + reg) = value; }
static uint16_t get16(uint32_t reg) { return *(volatile uint16_t *)(window + reg); }
static void put16(uint32_t reg, uint16_t value) { *(volatile uint16_t *)(window + reg) = value; }
static void put8(uint32_t reg, uint8_t value) { window[reg] = value; }

static uint16_t ring16(uint32_t at) { return *(volatile uint16_t *)(rings.at + at); }
static uint32_t ring32(uint32_t at) { return *(volatile uint32_t *)(rings.at + at); }
static void set16(uint32_t at, uint16_t value) { *(volatile uint16_t *)(rings.at + at) = value; }

/* One descriptor of a table that begins `at` bytes into a page. */
static void descriptor_in(struct page *page, uint32_t at, unsigned index, uint64_t address, uint32_t length,
			  uint16_t flags, uint16_t next)
{
	volatile uint8_t *entry = page->at + at + 16 * index;

	*(volatile uint64_t *)entry = address;
	*(volatile uint32_t *)(entry + 8) = length;
	*(volatile uint16_t *)(entry + 12) = flags;
	*(volatile uint16_t *)(entry + 14) = next;
}

static void descriptor(unsigned index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next)
{
	descriptor_in(&rings, TABLE_AT, index, address, length, flags, next);
}

static void offer(uint16_t head)
{
	set16(AVAIL_AT + 4 + 2 * (next_avail % SIZE), head);
	next_avail++;
}

static void publish(void) { set16(AVAIL_AT + 2, next_avail); }
static void kick(void) { put32(QUEUE_NOTIFY, 0); }

/* Offers one head, and notifies. */
static void submit(uint16_t head)
{
	offer(head);
	publish();
	kick();
}

/* A good request of some bytes in descriptor 0. */
static void request(uint32_t length)
{
	descriptor(0, buffers.physical, length, F_WRITE, 0);
	submit(0);
}

/* --- initialisation ---------------------------------------------------------------------------- */

static void reset(void)
{
	put32(STATUS, 0);
	memset((void *)rings.at, 0, PAGE);
	memset((void *)tables.at, 0, PAGE);
	next_avail = 0;
}

/* As far as the negotiated features. */
static void negotiate(uint32_t low)
{
	reset();
	put32(STATUS, S_ACKNOWLEDGE);
	put32(STATUS, S_ACKNOWLEDGE | S_DRIVER);
	put32(DRIVER_FEATURES_SEL, 0);
	put32(DRIVER_FEATURES, low);
	put32(DRIVER_FEATURES_SEL, 1);
	put32(DRIVER_FEATURES, VERSION_1);
	put32(STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
}

static void address64(uint32_t reg, uint64_t address)
{
	put32(reg, (uint32_t)address);
	put32(reg + 4, (uint32_t)(address >> 32));
}

static void place(uint32_t size, uint64_t table, uint64_t avail, uint64_t used)
{
	put32(QUEUE_SEL, 0);
	put32(QUEUE_NUM, size);
	address64(QUEUE_DESC, table);
	address64(QUEUE_DRIVER, avail);
	address64(QUEUE_DEVICE, used);
	put32(QUEUE_READY, 1);
}

static void place_well(void)
{
	place(SIZE, rings.physical + TABLE_AT, rings.physical + AVAIL_AT, rings.physical + USED_AT);
}

static void go(void)
{
	put32(STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

static void start(void)
{
	negotiate(INDIRECT_DESC);
	place_well();
	go();
}

/* Places the queue badly and sets DRIVER_OK all the same. */
static void start_at(uint32_t size, uint64_t table, uint64_t avail, uint64_t used)
{
	negotiate(INDIRECT_DESC);
	place(size, table, avail, used);
	go();
	kick();
}

/* --- attacks on rings and registers: numbers as in tests/hostile/ ------------------------------- */

static void loop(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE | F_NEXT, 1);
	descriptor(1, buffers.physical, 8, F_WRITE | F_NEXT, 0);
	submit(0);
}

static void bad_head(void) { start(); submit(SIZE); }

static void bad_next(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE | F_NEXT, 0xffff);
	submit(0);
}

static void buffer_on_registers(void)
{
	start();
	descriptor(0, window_at, 64, F_WRITE, 0);
	submit(0);
}

static void buffer_wraps(void)
{
	start();
	descriptor(0, 0xfffffffffffff000ull, 0x2000, F_WRITE, 0);
	submit(0);
}

static void lengths_overflow(void)
{
	start();
	descriptor(0, buffers.physical, 0xffffffff, F_WRITE | F_NEXT, 1);
	descriptor(1, buffers.physical, 0xffffffff, F_WRITE, 0);
	submit(0);
}

static void huge_length(void) { start(); request(0x7fffffff); }
static void empty_buffer(void) { start(); request(0); }
static void size_zero(void)
{
	start_at(0, rings.physical, rings.physical + AVAIL_AT, rings.physical + USED_AT);
}
static void size_odd(void)
{
	start_at(3, rings.physical, rings.physical + AVAIL_AT, rings.physical + USED_AT);
}
static void size_above_maximum(void)
{
	start_at(0x8000, rings.physical, rings.physical + AVAIL_AT, rings.physical + USED_AT);
}

static void changed_while_live(void)
{
	start();
	put32(QUEUE_NUM, 0x8000);
	address64(QUEUE_DESC, 0xfffffff0);
	address64(QUEUE_DEVICE, window_at);
	request(8);
}

static void misaligned(void)
{
	start_at(SIZE, rings.physical + 8, rings.physical + AVAIL_AT + 1, rings.physical + USED_AT + 2);
}
static void rings_outside(void) { start_at(SIZE, window_at, 0xfffff000, 0xfee00000); }

static void rings_overlap(void)
{
	start_at(SIZE, rings.physical, rings.physical + AVAIL_AT, rings.physical + AVAIL_AT);
	request(8);
	request(8);
}

static void used_over_table(void)
{
	start_at(SIZE, rings.physical, rings.physical + AVAIL_AT, rings.physical);
	request(64);
	request(64);
}

static void index_jumps(void)
{
	start();
	set16(AVAIL_AT + 2, SIZE + 1);
	kick();
}

static void index_back(void)
{
	start();
	request(8);
	set16(AVAIL_AT + 2, 0);
	kick();
}

static void same_head_twice(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE, 0);
	offer(0);
	submit(0);
}

static void full_ring_again(void)
{
	start();
	descriptor(0, buffers.physical, 1, F_WRITE, 0);
	for (unsigned i = 0; i < 5 * SIZE; i++) {
		offer(0);
		if (i % SIZE == SIZE - 1) {
			publish();
			kick();
		}
	}
}

static void readable_after_writable(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE | F_NEXT, 1);
	descriptor(1, buffers.physical, 8, 0, 0);
	submit(0);
}

static void nothing_to_write(void)
{
	start();
	descriptor(0, buffers.physical, 64, 0, 0);
	submit(0);
}

static void indirect_not_negotiated(void)
{
	negotiate(0);
	place_well();
	go();
	descriptor(0, tables.physical, 16, F_INDIRECT, 0);
	submit(0);
}

static void nested_indirect(void)
{
	start();
	descriptor_in(&tables, 0, 0, tables.physical, 16, F_INDIRECT, 0);
	descriptor(0, tables.physical, 16, F_INDIRECT, 0);
	submit(0);
}

static void indirect_and_next(void)
{
	start();
	descriptor_in(&tables, 0, 0, buffers.physical, 8, F_WRITE, 0);
	descriptor(0, tables.physical, 16, F_INDIRECT | F_NEXT, 1);
	descriptor(1, buffers.physical, 8, F_WRITE, 0);
	submit(0);
}

static void indirect_odd_length(void)
{
	start();
	descriptor(0, tables.physical, 17, F_INDIRECT, 0);
	submit(0);
}
static void indirect_empty(void)
{
	start();
	descriptor(0, tables.physical, 0, F_INDIRECT, 0);
	submit(0);
}

static void indirect_loop(void)
{
	start();
	for (unsigned i = 0; i < SIZE; i++)
		descriptor_in(&tables, 0, i, buffers.physical, 1, F_WRITE | F_NEXT, 0);
	descriptor(0, tables.physical, 16 * SIZE, F_INDIRECT, 0);
	submit(0);
}

static void indirect_outside(void)
{
	start();
	descriptor(0, 0xfffff000, 0x1000, F_INDIRECT, 0);
	submit(0);
}

static void kick_early(void)
{
	negotiate(INDIRECT_DESC);
	kick();
	place_well();
	descriptor(0, buffers.physical, 8, F_WRITE, 0);
	submit(0);
	put32(QUEUE_READY, 0);
	go();
	kick();
}

static void kick_elsewhere(void)
{
	start();
	put32(QUEUE_NOTIFY, 1);
	put32(QUEUE_NOTIFY, 0xffffffff);
	put32(QUEUE_NOTIFY, 0x80000000);
	for (uint32_t at = DOORBELL; at < WINDOW; at += 0x1fc)
		put32(at, 0);
}

static void select_nothing(void)
{
	negotiate(INDIRECT_DESC);
	put32(QUEUE_SEL, 0xffffffff);
	put32(QUEUE_NUM, SIZE);
	address64(QUEUE_DESC, rings.physical);
	put32(QUEUE_READY, 1);
	go();
	kick();
}

static void odd_widths(void)
{
	start();
	for (uint32_t reg = 0; reg < CONFIG; reg++) {
		(void)window[reg];
		put8(reg, 0xff);
		if (reg % 2 == 0) {
			(void)get16(reg);
			/* The MSI block has registers of that width: not what is meant here. */
			if (reg < MSI_STATUS || reg > MSI_COMMAND)
				put16(reg, 0xffff);
		} else if (reg + 4 <= CONFIG) {
			(void)get32(reg);
		}
	}
}

static void wrong_way(void)
{
	start();
	for (uint32_t reg = 0; reg < CONFIG; reg += 4)
		(void)get32(reg);
	put32(MAGIC, 0);
	put32(VERSION, 1);
	put32(DEVICE_ID, 0);
	put32(DEVICE_FEATURES, 0xffffffff);
	put32(QUEUE_NUM_MAX, 0xffffffff);
	put32(INTERRUPT_STATUS, 0xffffffff);
	for (uint32_t reg = 0x0d0; reg < CONFIG; reg += 4)
		put32(reg, 0xffffffff);
}

static void beyond_configuration(void)
{
	start();
	for (uint32_t reg = CONFIG; reg < DOORBELL; reg += 0x1c) {
		(void)get32(reg);
		put32(reg, 0xffffffff);
		put8(reg + 3, 0xff);
	}
}

static void features_not_offered(void)
{
	negotiate(0xffffffff);
	place_well();
	go();
	kick();
}

static void features_late(void)
{
	start();
	put32(DRIVER_FEATURES_SEL, 0);
	put32(DRIVER_FEATURES, 0xffffffff);
	put32(DRIVER_FEATURES_SEL, 0xffffffff);
	put32(DRIVER_FEATURES, 0xffffffff);
	request(8);
}

static void steps_skipped(void)
{
	reset();
	put32(STATUS, S_DRIVER_OK);
	put32(STATUS, 0xff);
	put32(STATUS, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
	place_well();
	kick();
}

static void bits_cleared(void)
{
	start();
	put32(STATUS, S_ACKNOWLEDGE | S_DRIVER);
	put32(STATUS, S_ACKNOWLEDGE);
	request(8);
}

static void reset_under_way(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE, 0);
	offer(0);
	publish();
	put32(STATUS, 0);
	kick();
}

static void acknowledge_anything(void)
{
	start();
	put32(INTERRUPT_ACK, 0xffffffff);
	request(8);
	put32(INTERRUPT_ACK, 0xfffffffc);
	put32(INTERRUPT_ACK, 0xffffffff);
}

static void events_everywhere(void)
{
	negotiate(INDIRECT_DESC | EVENT_IDX);
	place_well();
	go();
	descriptor(0, buffers.physical, 1, F_WRITE, 0);
	for (unsigned i = 0; i < 500; i++) {
		set16(AVAIL_AT + 4 + 2 * SIZE, (uint16_t)(i * 0x2f1d));
		set16(AVAIL_AT, (uint16_t)i);
		submit(0);
		put32(INTERRUPT_ACK, 3);
	}
}

static void rewritten(void)
{
	start();
	descriptor(0, buffers.physical, 8, F_WRITE, 0);
	offer(0);
	publish();
	descriptor(0, 0xffffffff, 0xffffffff, 0xffff, 0xffff);
	kick();
}

static void enormous_chain(void)
{
	start();
	for (unsigned i = 0; i < SIZE; i++)
		descriptor(i, buffers.physical, PAGE, F_WRITE | (i + 1 < SIZE ? F_NEXT : 0), i + 1);
	submit(0);
}

/* --- attacks on messages ------------------------------------------------------------------------ */

static void command(unsigned operation, unsigned vector)
{
	put16(MSI_COMMAND, (uint16_t)(operation << 12 | vector));
}

/* One request whose used buffer would send this message. */
static void with_message(uint32_t address, uint32_t high, uint32_t data)
{
	negotiate(INDIRECT_DESC);
	place_well();
	put32(MSI_ADDRESS, address);
	put32(MSI_ADDRESS_HIGH, high);
	put32(MSI_DATA, data);
	command(MSI_UPDATE, 1);
	put16(MSI_STATUS, 0x8000);
	go();
	request(8);
}

static void message_to_memory(void) { with_message(buffers.physical + 64, 0, 0x41); }
static void message_to_apic_register(void) { with_message(LOCAL_APIC + 0xb0, 0, 0); }
static void message_above_4g(void) { with_message(LOCAL_APIC, 1, 0x41); }
static void message_vector_low(void) { with_message(LOCAL_APIC, 0, 0x0f); }
static void message_vector_high(void) { with_message(LOCAL_APIC, 0, 0xff); }
static void message_mode(void) { with_message(LOCAL_APIC, 0, 0x441); }
static void message_level(void) { with_message(LOCAL_APIC, 0, 0xc041); }

static void vector_out_of_range(void)
{
	start();
	for (unsigned vector = 2; vector < 0x1000; vector += 0x3f)
		for (unsigned operation = 0; operation < 16; operation++)
			command(operation, vector);
	request(8);
}

static void message_of_nothing(void)
{
	negotiate(INDIRECT_DESC);
	place_well();
	command(MSI_UPDATE, 1);
	put16(MSI_STATUS, 0x8000);
	go();
	request(8);
}

static void message_half(void)
{
	with_message(LOCAL_APIC, 0, 0);
	put32(MSI_ADDRESS, buffers.physical);
	request(8);
}

static void masks(void)
{
	negotiate(INDIRECT_DESC);
	place_well();
	command(MSI_MASK, 1);
	put16(MSI_STATUS, 0x8000);
	go();
	request(8);
	command(MSI_UNMASK, 1);
	command(MSI_UNMASK, 1);
	command(MSI_MASK, 1);
	request(8);
}

static void enabled_late(void)
{
	start();
	put16(MSI_STATUS, 0x8000);
	put16(MSI_STATUS, 0);
	put16(MSI_STATUS, 0x8000);
	request(8);
}

static void unknown_command(void)
{
	start();
	for (unsigned operation = 0; operation < 16; operation++)
		if (operation != MSI_UPDATE)
			command(operation, 1);
	request(8);
}

static void command_in_halves(void)
{
	start();
	put8(MSI_COMMAND + 1, 0x10);
	put8(MSI_COMMAND, 1);
	put32(MSI_STATUS, 0xffffffff);
	put8(MSI_STATUS + 1, 0x80);
	request(8);
}

static void wire_with_messages(void)
{
	with_message(LOCAL_APIC, 0, 0);
	put32(INTERRUPT_ACK, 3);
	(void)get32(INTERRUPT_STATUS);
	request(8);
}

/* --- the list ----------------------------------------------------------------------------------- */

static const struct attack {
	const char *name, *what;
	void (*run)(void);
} attacks[] = {
	{ "A01", "a descriptor chain that loops", loop },
	{ "A02", "a head that is no descriptor", bad_head },
	{ "A03", "a next that is no descriptor", bad_next },
	{ "A04", "a buffer on the device's own registers", buffer_on_registers },
	{ "A05", "a buffer that wraps around 64 bits", buffer_wraps },
	{ "A06", "lengths of more than 4 GiB together", lengths_overflow },
	{ "A07", "a length of 2 GiB", huge_length },
	{ "A08", "an empty buffer", empty_buffer },
	{ "A09", "a queue of no descriptors", size_zero },
	{ "A10", "a queue of three descriptors", size_odd },
	{ "A10b", "a queue larger than the maximum", size_above_maximum },
	{ "A11", "queue registers written while it is live", changed_while_live },
	{ "A12", "rings that are not aligned", misaligned },
	{ "A13", "rings outside of RAM", rings_outside },
	{ "A14", "a used ring on the available ring", rings_overlap },
	{ "A14b", "a used ring on the descriptor table", used_over_table },
	{ "A15", "an available index that jumps", index_jumps },
	{ "A16", "an available index that goes back", index_back },
	{ "A17", "the same head twice", same_head_twice },
	{ "A18", "the ring filled five times over", full_ring_again },
	{ "A19", "a readable buffer after a writable one", readable_after_writable },
	{ "A21", "a request with nothing to write to", nothing_to_write },
	{ "A22", "an indirect table that was not negotiated", indirect_not_negotiated },
	{ "A23", "an indirect table in an indirect table", nested_indirect },
	{ "A24", "an indirect table and a next", indirect_and_next },
	{ "A25", "an indirect table of 17 bytes", indirect_odd_length },
	{ "A25b", "an indirect table of no bytes", indirect_empty },
	{ "A26", "an indirect table outside of RAM", indirect_outside },
	{ "A26b", "an indirect table that loops", indirect_loop },
	{ "A27", "notifications before DRIVER_OK", kick_early },
	{ "A28", "notifications of queues that are not there", kick_elsewhere },
	{ "A29", "a queue selected that is not there", select_nothing },
	{ "A30", "registers in wrong widths", odd_widths },
	{ "A31", "registers the wrong way, and none", wrong_way },
	{ "A32", "configuration space beyond its end", beyond_configuration },
	{ "A34", "features that are not offered", features_not_offered },
	{ "A35", "features after FEATURES_OK", features_late },
	{ "A36", "DRIVER_OK with steps left out", steps_skipped },
	{ "A37", "status bits cleared without a reset", bits_cleared },
	{ "A38", "a reset with a request under way", reset_under_way },
	{ "A39", "acknowledgements of what did not happen", acknowledge_anything },
	{ "A40", "500 requests with wild used_event and flags", events_everywhere },
	{ "A41", "a descriptor rewritten after it was offered", rewritten },
	{ "A50", "the longest chain there is", enormous_chain },
	{ "M01", "a message that is a write to RAM", message_to_memory },
	{ "M02", "a message to the local APIC's EOI register", message_to_apic_register },
	{ "M03", "a message above 4 GiB", message_above_4g },
	{ "M04", "a message with vector 15", message_vector_low },
	{ "M05", "a message with vector 255", message_vector_high },
	{ "M06", "a message that is an NMI", message_mode },
	{ "M07", "a message with level trigger", message_level },
	{ "M08", "every command for vectors that are not there", vector_out_of_range },
	{ "M11", "a message of nothing", message_of_nothing },
	{ "M12", "a message changed by half", message_half },
	{ "M13", "masks, and unmasking twice", masks },
	{ "M14", "messages switched on and off after DRIVER_OK", enabled_late },
	{ "M15", "commands that are none", unknown_command },
	{ "M16", "a command in two halves", command_in_halves },
	{ "M17", "the wire's registers while messages are on", wire_with_messages },
};
#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* Whether a device that was just reset answers a proper request with random bytes. */
static int answers(void)
{
	uint32_t sum = 0;

	memset((void *)buffers.at, 0, PAGE);
	reset();
	if (get32(STATUS) != 0)
		return 0;
	start();
	request(64);
	for (unsigned i = 0; i < 64; i++)
		sum |= buffers.at[i];
	return (get32(STATUS) & S_NEEDS_RESET) == 0 && ring16(USED_AT + 2) == 1 && ring32(USED_AT + 4) == 0 &&
	       ring32(USED_AT + 8) == 64 && sum != 0;
}

/* Carries out one attack and says what became of it; whether the device survived. */
static int carry_out(const struct attack *attack)
{
	const char *outcome = "ignored";
	int survived;

	if (attack->name[0] == 'M' && messages < 0) {
		printf("%-5s %-46s %-12s\n", attack->name, attack->what, "not offered");
		return 1;
	}
	attack->run();
	if (get32(STATUS) & S_NEEDS_RESET)
		outcome = "needs reset";
	else if (ring16(USED_AT + 2) != 0)
		outcome = "used";
	survived = answers();
	printf("%-5s %-46s %-12s %s\n", attack->name, attack->what, outcome,
	       survived ? "recovered" : "DEAD");
	fflush(stdout);
	return survived;
}

/* --- finding things ----------------------------------------------------------------------------- */

static volatile uint8_t *map(int memory, uint32_t at, uint32_t size)
{
	void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, (off_t)at);

	return mapped == MAP_FAILED ? NULL : mapped;
}

/* A device on the bus that no driver has: its status is 0. */
static void find_window(int memory, uint32_t wanted)
{
	uint32_t at = wanted ? wanted : BUS_BASE, end = wanted ? wanted + WINDOW : BUS_BASE + BUS_SIZE;

	for (; at < end; at += WINDOW) {
		window = map(memory, at, WINDOW);
		if (!window)
			fail("/dev/mem cannot be mapped at the window's address");
		window_at = at;
		if (get32(MAGIC) == MAGIC_VALUE && get32(DEVICE_ID) == ENTROPY && get32(STATUS) == 0)
			return;
		munmap((void *)window, WINDOW);
	}
	fail(wanted ? "there is no entropy device without a driver at that address"
		    : "there is no spare device on the bus: start the machine with --spare");
}

/* A locked page, and where it lies: a kernel without pagemap does not say, so what stands in it is looked for. */
static void find_page(int memory, struct page *page)
{
	FILE *map_of_memory = fopen("/proc/iomem", "r");
	static uint8_t cookie[32];
	unsigned long first, last;
	char line[128];

	page->at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page->at == MAP_FAILED || mlock((void *)page->at, PAGE) < 0 || !map_of_memory)
		fail("there is no memory to be had");
	if (getrandom(cookie, sizeof(cookie), 0) != sizeof(cookie))
		fail("there are no random numbers");
	memset((void *)page->at, 0, PAGE);
	memcpy((void *)page->at, cookie, sizeof(cookie));
	while (fgets(line, sizeof(line), map_of_memory)) {
		if (line[0] == ' ' || !strstr(line, "System RAM") || sscanf(line, "%lx-%lx", &first, &last) != 2)
			continue;
		first = (first + PAGE - 1) & -(unsigned long)PAGE;
		for (unsigned long at = first; at + PAGE - 1 <= last; at += 0x100000) {
			uint32_t size = last + 1 - at < 0x100000 ? (last + 1 - at) & -(unsigned long)PAGE : 0x100000;
			volatile uint8_t *part = map(memory, at, size);

			if (!part)
				continue;
			for (uint32_t k = 0; k < size; k += PAGE) {
				if (memcmp((void *)(part + k), cookie, sizeof(cookie)) != 0)
					continue;
				/* Not a copy of it, but the page itself: what is written here is seen there. */
				page->at[PAGE - 1] ^= 0xff;
				if (part[k + PAGE - 1] != page->at[PAGE - 1])
					continue;
				page->physical = at + k;
			}
			munmap((void *)part, size);
			if (page->physical) {
				fclose(map_of_memory);
				return;
			}
		}
	}
	fail("its own memory could not be found in /dev/mem");
}

static uint32_t parse_window(const char *text)
{
	char *end;
	unsigned long at = strtoul(text, &end, 0);

	if (*end || at == 0 || at % PAGE != 0)
		fail("the window's address is a multiple of 4096, such as 0xd0006000");
	return at;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },	 { "attack", required_argument, NULL, 'n' },
		{ "list", no_argument, NULL, 'l' },	 { "window", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },	 { NULL, 0, NULL, 0 },
	};
	const char *only = NULL;
	uint32_t wanted = 0;
	unsigned count = 0, survived = 0;
	int option, memory;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'n') {
			only = optarg;
		} else if (option == 'w') {
			wanted = parse_window(optarg);
		} else if (option == 'l') {
			for (unsigned i = 0; i < ATTACKS; i++)
				printf("%-5s %s\n", attacks[i].name, attacks[i].what);
			return 0;
		} else if (option != 'a') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind < argc)
		fail("it takes no words but its flags: see ringbreaker --help");
	memory = open("/dev/mem", O_RDWR | O_SYNC);
	if (memory < 0)
		fail(errno == EACCES || errno == EPERM ? "it has to be run as root" : "/dev/mem cannot be opened");
	find_window(memory, wanted);
	find_page(memory, &rings);
	find_page(memory, &tables);
	find_page(memory, &buffers);
	messages = -1;
	if (get32(VERSION) == 3 && (get16(MSI_STATUS) & 0x8000))
		messages = get16(MSI_STATUS) & 0x7ff;
	printf("Entropy device at 0x%x, version %u, messages %s.\n", window_at, get32(VERSION),
	       messages < 0 ? "not offered" : "offered");
	if (!answers())
		fail("the device does not answer a proper request even before the first attack");
	for (unsigned i = 0; i < ATTACKS; i++) {
		if (only && strcmp(only, attacks[i].name) != 0)
			continue;
		count++;
		survived += carry_out(&attacks[i]);
	}
	reset();
	if (count == 0)
		fail("there is no attack of that name: see ringbreaker --list");
	printf("%u attacks, %u survived.\n", count, survived);
	return survived == count ? 0 : 1;
}

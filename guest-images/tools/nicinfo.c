// SPDX-License-Identifier: MIT
/*
 * What a network card can do and does: driver, offloads, pairs of queues, coalescing of interrupts; and sets the
 * last two. By the ethtool ioctl; its numbers and structures are those of <linux/ethtool.h>, which musl has not.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SIOCETHTOOL
#define SIOCETHTOOL 0x8946
#endif
#define ETHTOOL_GDRVINFO 0x03
#define ETHTOOL_GCOALESCE 0x0e
#define ETHTOOL_SCOALESCE 0x0f
#define ETHTOOL_GSTRINGS 0x1b
#define ETHTOOL_GSSET_INFO 0x37
#define ETHTOOL_GFEATURES 0x3a
#define ETHTOOL_GCHANNELS 0x3c
#define ETHTOOL_SCHANNELS 0x3d
#define ETH_SS_FEATURES 4
#define NAME_LENGTH 32
#define FEATURES_MOST 128

struct drvinfo {
	uint32_t cmd;
	char driver[32], version[32], fw_version[32], bus_info[32], erom_version[32], reserved[12];
	uint32_t counts[5];
};

struct channels {
	uint32_t cmd, max_rx, max_tx, max_other, max_combined, rx, tx, other, combined;
};

struct coalesce {
	uint32_t cmd, rx_usecs, rx_frames, rx_usecs_irq, rx_frames_irq;
	uint32_t tx_usecs, tx_frames, tx_usecs_irq, tx_frames_irq, rest[14];
};

struct features {
	uint32_t cmd, size;
	struct {
		uint32_t available, requested, active, never_changed;
	} blocks[FEATURES_MOST / 32];
};

struct strings {
	uint32_t cmd, set, count;
	char names[FEATURES_MOST][NAME_LENGTH];
};

struct string_count {
	uint32_t cmd, reserved;
	uint64_t mask;
	uint32_t count;
};

static const char usage[] =
	"usage: nicinfo [-i interface] [--pairs N] [--rx-coalesce FRAMES,USECS] [--tx-coalesce FRAMES,USECS]\n"
	"Shows a network card's driver, offloads, pairs of queues and coalescing.\n"
	"  -i interface   default eth0\n"
	"  --pairs N      use so many pairs of queues\n"
	"  --rx-coalesce FRAMES,USECS   at most one receive interrupt for so many frames,\n"
	"                 or after so many microseconds; 0,0 interrupts at once\n"
	"  --tx-coalesce FRAMES,USECS   the same for frames sent\n"
	"  --help         this text\n";

static const char *interface = "eth0";
static int sock;

__attribute__((noreturn))
static void fail(const char *what)
{
	fprintf(stderr, "nicinfo: %s: %s: %s.\n", interface, what,
		errno == EOPNOTSUPP ? "the driver cannot do that" : strerror(errno));
	exit(1);
}

static int ethtool(void *command)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	request.ifr_data = command;
	return ioctl(sock, SIOCETHTOOL, &request);
}

static unsigned long number(const char *text, char **end, const char *option)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, end, 10);
	if (*end == text || errno || *text == '-') {
		fprintf(stderr, "nicinfo: %s wants a number, not \"%s\"; see --help.\n", option, text);
		exit(2);
	}
	return value;
}

static void set_pairs(const char *text)
{
	struct channels channels = { .cmd = ETHTOOL_GCHANNELS };
	char *end;
	unsigned long pairs = number(text, &end, "--pairs");

	if (ethtool(&channels) < 0)
		fail("pairs of queues");
	if (*end || pairs < 1 || pairs > channels.max_combined) {
		fprintf(stderr, "nicinfo: --pairs is \"%s\": %s has 1 to %u pairs of queues.\n", text,
			interface, channels.max_combined);
		exit(2);
	}
	if (pairs == channels.combined)
		return;
	channels.cmd = ETHTOOL_SCHANNELS;
	channels.combined = (uint32_t)pairs;
	if (ethtool(&channels) < 0)
		fail("setting the pairs of queues");
}

static void set_coalescing(const char *option, const char *text, int transmit)
{
	struct coalesce coalesce = { .cmd = ETHTOOL_GCOALESCE };
	char *end;
	unsigned long frames = number(text, &end, option), microseconds;

	if (*end != ',') {
		fprintf(stderr, "nicinfo: %s wants two numbers, such as 8,1000.\n", option);
		exit(2);
	}
	microseconds = number(end + 1, &end, option);
	if (*end) {
		fprintf(stderr, "nicinfo: %s wants two numbers, such as 8,1000.\n", option);
		exit(2);
	}
	if (ethtool(&coalesce) < 0)
		fail("coalescing");
	coalesce.cmd = ETHTOOL_SCOALESCE;
	*(transmit ? &coalesce.tx_frames : &coalesce.rx_frames) = (uint32_t)frames;
	*(transmit ? &coalesce.tx_usecs : &coalesce.rx_usecs) = (uint32_t)microseconds;
	if (ethtool(&coalesce) < 0)
		fail(errno == EBUSY ? "setting coalescing (take the interface down first)" : "setting coalescing");
}

/* The offloads that a virtual card is about; the kernel has dozens of others. */
static int worth_showing(const char *name)
{
	static const char *const names[] = {
		"rx-checksum", "tx-checksum-ip-generic", "tx-scatter-gather", "tx-tcp-segmentation",
		"tx-tcp6-segmentation", "tx-generic-segmentation", "rx-gro", "rx-gro-hw",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return 1;
	return 0;
}

static void show_features(void)
{
	static struct strings strings = { .cmd = ETHTOOL_GSTRINGS, .set = ETH_SS_FEATURES };
	static struct features features = { .cmd = ETHTOOL_GFEATURES, .size = FEATURES_MOST / 32 };
	struct string_count count = { .cmd = ETHTOOL_GSSET_INFO, .mask = 1u << ETH_SS_FEATURES };

	if (ethtool(&count) < 0 || count.count > FEATURES_MOST)
		fail("features");
	strings.count = count.count;
	if (ethtool(&strings) < 0 || ethtool(&features) < 0)
		fail("features");
	for (unsigned i = 0; i < strings.count; i++) {
		uint32_t bit = 1u << i % 32;

		strings.names[i][NAME_LENGTH - 1] = 0;
		if (worth_showing(strings.names[i]))
			printf("%s: %s%s\n", strings.names[i],
			       features.blocks[i / 32].active & bit ? "on" : "off",
			       features.blocks[i / 32].available & bit ? "" : " [fixed]");
	}
}

static void show(void)
{
	struct drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct coalesce coalesce = { .cmd = ETHTOOL_GCOALESCE };

	if (ethtool(&driver) < 0)
		fail("driver");
	printf("interface: %s\ndriver: %.31s\nbus: %.31s\n", interface, driver.driver, driver.bus_info);
	show_features();
	if (ethtool(&channels) == 0)
		printf("pairs: %u of %u\n", channels.combined, channels.max_combined);
	if (ethtool(&coalesce) == 0)
		printf("rx-coalesce: %u frames, %u us\ntx-coalesce: %u frames, %u us\n", coalesce.rx_frames,
		       coalesce.rx_usecs, coalesce.tx_frames, coalesce.tx_usecs);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "pairs", required_argument, NULL, 'p' },
		{ "rx-coalesce", required_argument, NULL, 'r' },
		{ "tx-coalesce", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *pairs = NULL, *receive = NULL, *transmit = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "i:h", names, NULL)) != -1) {
		switch (c) {
		case 'i': interface = optarg; break;
		case 'p': pairs = optarg; break;
		case 'r': receive = optarg; break;
		case 't': transmit = optarg; break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "nicinfo: \"%s\" is not an option; see --help.\n", argv[optind]);
		return 2;
	}
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock < 0)
		fail("cannot make a socket");
	if (pairs)
		set_pairs(pairs);
	if (receive)
		set_coalescing("--rx-coalesce", receive, 0);
	if (transmit)
		set_coalescing("--tx-coalesce", transmit, 1);
	show();
	return 0;
}

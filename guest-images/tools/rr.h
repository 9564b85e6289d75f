/* SPDX-License-Identifier: MIT */
/* What tcp_rr and udp_rr share: options, clock, latency histogram, report. */
#ifndef RR_H
#define RR_H

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define RR_PORT "12865"
#define RR_MAX_SIZE 65536

struct rr_options {
	const char *tool, *host, *port;
	double seconds;
	unsigned request, response;
	int json, verify, server;
	/* Connections at once (tcp_rr only). */
	unsigned connections;
};

#define RR_MAX_CONNECTIONS 64

/* Latencies in nanoseconds: 32 buckets per power of two, so a bucket is within about 3 %. */
#define RR_SUB 32
struct rr_results {
	uint64_t transactions, lost, nanoseconds, sum;
	uint32_t buckets[64 * RR_SUB];
};

static volatile sig_atomic_t rr_stopped;

static void rr_on_signal(int number)
{
	(void)number;
	rr_stopped = 1;
}

/* No SA_RESTART: a blocking call returns at Ctrl-C and what was measured gets printed. */
static void rr_catch_signals(void)
{
	struct sigaction action = { .sa_handler = rr_on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

__attribute__((noreturn, format(printf, 2, 3)))
static void rr_fail(const struct rr_options *options, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", options->tool);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t rr_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static unsigned rr_bucket(uint64_t value)
{
	unsigned exponent;

	if (value < RR_SUB)
		return (unsigned)value;
	exponent = 63 - (unsigned)__builtin_clzll(value);
	return (exponent - 4) * RR_SUB + (unsigned)((value >> (exponent - 5)) & (RR_SUB - 1));
}

static uint64_t rr_bucket_value(unsigned bucket)
{
	if (bucket < RR_SUB)
		return bucket;
	return (uint64_t)(RR_SUB + bucket % RR_SUB) << (bucket / RR_SUB - 1);
}

static void rr_record(struct rr_results *results, uint64_t latency)
{
	results->transactions++;
	results->sum += latency;
	results->buckets[rr_bucket(latency)]++;
}

static double rr_percentile(const struct rr_results *results, double fraction)
{
	uint64_t wanted = (uint64_t)((double)results->transactions * fraction), seen = 0;

	for (unsigned i = 0; i < 64 * RR_SUB; i++) {
		seen += results->buckets[i];
		if (seen > wanted)
			return (double)rr_bucket_value(i) / 1000;
	}
	return 0;
}

static int rr_report(const struct rr_options *options, const struct rr_results *results, int udp)
{
	double seconds = (double)results->nanoseconds / 1e9;
	double rate = seconds > 0 ? (double)results->transactions / seconds : 0;
	double mean = results->transactions
		? (double)results->sum / (double)results->transactions / 1000 : 0;
	double p50 = rr_percentile(results, 0.5), p99 = rr_percentile(results, 0.99);

	if (options->json) {
		printf("{\"tool\":\"%s\",\"request\":%u,\"response\":%u,\"seconds\":%.3f,"
		       "\"transactions\":%llu,\"transactionsPerSecond\":%.1f,\"meanMicroseconds\":%.1f,"
		       "\"p50Microseconds\":%.1f,\"p99Microseconds\":%.1f,\"verified\":%s",
		       options->tool, options->request, options->response, seconds,
		       (unsigned long long)results->transactions, rate, mean, p50, p99,
		       options->verify ? "true" : "false");
		if (udp)
			printf(",\"lost\":%llu", (unsigned long long)results->lost);
		printf("}\n");
	} else {
		printf("%.0f transactions/s  (%llu in %.2f s, %u/%u bytes%s)\n"
		       "latency: mean %.1f us, p50 %.1f us, p99 %.1f us\n",
		       rate, (unsigned long long)results->transactions, seconds,
		       options->request, options->response, options->verify ? ", verified" : "",
		       mean, p50, p99);
		if (udp)
			printf("lost: %llu\n", (unsigned long long)results->lost);
	}
	fflush(stdout);
	return results->transactions ? 0 : 1;
}

static unsigned rr_size(const struct rr_options *options, const char *text, char **end)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, end, 10);
	if (*end == text || errno || value < 1 || value > RR_MAX_SIZE)
		rr_fail(options, "-r takes two sizes from 1 to %d, such as -r 32,1024.", RR_MAX_SIZE);
	return (unsigned)value;
}

static struct rr_options rr_parse(int argc, char **argv, const char *tool, const char *usage)
{
	static const struct option names[] = {
		{ "json", no_argument, NULL, 'j' },	{ "verify", no_argument, NULL, 'v' },
		{ "server", no_argument, NULL, 's' },	{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct rr_options o = { .tool = tool, .port = RR_PORT, .seconds = 10, .request = 1, .response = 1,
		.connections = 1 };
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "H:p:l:r:P:h", names, NULL)) != -1) {
		switch (c) {
		case 'H': o.host = optarg; break;
		case 'p': o.port = optarg; break;
		case 'j': o.json = 1; break;
		case 'v': o.verify = 1; break;
		case 's': o.server = 1; break;
		case 'l':
			o.seconds = strtod(optarg, &end);
			if (*end || end == optarg || !(o.seconds > 0 && o.seconds < 1e6))
				rr_fail(&o, "-l takes a number of seconds, such as -l 10.");
			break;
		case 'r':
			o.request = rr_size(&o, optarg, &end);
			if (*end != ',')
				rr_fail(&o, "-r takes two sizes, such as -r 32,1024.");
			o.response = rr_size(&o, end + 1, &end);
			if (*end)
				rr_fail(&o, "-r takes two sizes, such as -r 32,1024.");
			break;
		case 'P':
			o.connections = (unsigned)strtoul(optarg, &end, 10);
			if (*end || end == optarg || o.connections < 1 || o.connections > RR_MAX_CONNECTIONS)
				rr_fail(&o, "-P takes a number of connections, 1 to %d.", RR_MAX_CONNECTIONS);
			break;
		case 'h': fputs(usage, stdout); exit(0);
		default: fputs(usage, stderr); exit(2);
		}
	}
	if (optind < argc)
		rr_fail(&o, "'%s' is not an option; try --help.", argv[optind]);
	if (!o.host && !o.server)
		rr_fail(&o, "say which host to talk to with -H, such as -H 10.0.2.2, or try --help.");
	rr_catch_signals();
	return o;
}

static struct addrinfo *rr_resolve(const struct rr_options *options, int type)
{
	struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = type, .ai_flags = options->server ? AI_PASSIVE : 0,
	};
	struct addrinfo *found;
	int error = getaddrinfo(options->server ? NULL : options->host, options->port, &hints, &found);

	if (error)
		rr_fail(options, "cannot find %s port %s: %s.", options->server ? "local" : options->host,
			options->port, gai_strerror(error));
	return found;
}

static void rr_put32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t rr_get32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

#endif

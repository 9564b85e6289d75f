// SPDX-License-Identifier: MIT
/*
 * UDP request/response: one transaction at a time, a lost one is counted and tried again.
 *
 * Request: "DBRU", sequence and response size as little-endian 32-bit numbers, padded to the request
 * size. Response: "DBRU" and the same sequence, padded to the response size.
 */
#include "rr.h"

#define REQUEST_MIN 12
#define RESPONSE_MIN 8
#define DATAGRAM_MAX 65507
#define TIMEOUT_MICROSECONDS 250000
#define TRIES 20

static const char usage[] =
	"usage: udp_rr -H host [-p port] [-l seconds] [-r request,response] [--json] [--verify]\n"
	"       udp_rr --server [-p port]\n"
	"Measures UDP request/response transactions per second and their latency.\n"
	"  -H host       who answers, for example 10.0.2.2\n"
	"  -p port       UDP port (12865)\n"
	"  -l seconds    how long (10); Ctrl-C ends it early and prints what was measured\n"
	"  -r req,resp   sizes in bytes (12,8), at least 12 and 8\n"
	"  --verify      check the size of what comes back, too\n"
	"  --json        print the result as one line of JSON\n"
	"  --server      answer instead of asking\n"
	"A datagram without an answer for 250 ms counts as lost and is sent again.\n";

static unsigned char outgoing[RR_MAX_SIZE], incoming[RR_MAX_SIZE];

/* Waits for the answer to `sequence`, ignoring late ones: 1 there, 0 lost, -1 wrong size. */
static int await_answer(const struct rr_options *options, int fd, uint32_t sequence)
{
	uint64_t deadline = rr_now() + (uint64_t)TIMEOUT_MICROSECONDS * 1000;

	while (!rr_stopped) {
		ssize_t got = recv(fd, incoming, sizeof(incoming), 0);

		if (got < 0 && errno == ECONNREFUSED)
			rr_fail(options, "nobody answers on %s port %s.", options->host, options->port);
		if (got >= RESPONSE_MIN && memcmp(incoming, "DBRU", 4) == 0 &&
		    rr_get32(incoming + 4) == sequence) {
			return !options->verify || got == (ssize_t)options->response ? 1 : -1;
		}
		if (rr_now() >= deadline)
			return 0;
	}
	return 0;
}

static int run_client(const struct rr_options *options)
{
	static struct rr_results results;
	struct timeval patience = { .tv_usec = TIMEOUT_MICROSECONDS };
	struct addrinfo *address = rr_resolve(options, SOCK_DGRAM);
	int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol), tries = 0;
	uint64_t start, now, end;
	uint32_t sequence = 0;

	if (fd < 0)
		rr_fail(options, "cannot make a socket: %s.", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		rr_fail(options, "cannot reach %s: %s.", options->host, strerror(errno));
	freeaddrinfo(address);

	memcpy(outgoing, "DBRU", 4);
	rr_put32(outgoing + 8, options->response);
	start = now = rr_now();
	end = start + (uint64_t)(options->seconds * 1e9);
	while (now < end && !rr_stopped) {
		uint64_t began = now;
		int answer;

		rr_put32(outgoing + 4, sequence);
		if (send(fd, outgoing, options->request, 0) < 0 && errno != EINTR && errno != ECONNREFUSED)
			rr_fail(options, "cannot send to %s: %s.", options->host, strerror(errno));
		answer = await_answer(options, fd, sequence);
		now = rr_now();
		if (answer < 0)
			rr_fail(options, "response %llu has the wrong size.",
				(unsigned long long)results.transactions + 1);
		if (answer) {
			rr_record(&results, now - began);
			sequence++;
			tries = 0;
		} else if (!rr_stopped) {
			results.lost++;
			if (++tries == TRIES && !results.transactions)
				rr_fail(options, "%s does not answer on UDP port %s.", options->host, options->port);
		}
	}
	results.nanoseconds = now - start;
	return rr_report(options, &results, 1);
}

static int run_server(const struct rr_options *options)
{
	struct addrinfo *address = rr_resolve(options, SOCK_DGRAM);
	int fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);

	if (fd < 0)
		rr_fail(options, "cannot make a socket: %s.", strerror(errno));
	if (bind(fd, address->ai_addr, address->ai_addrlen) < 0)
		rr_fail(options, "cannot listen on port %s: %s.", options->port, strerror(errno));
	printf("udp_rr: answering on port %s, Ctrl-C ends it.\n", options->port);
	fflush(stdout);
	while (!rr_stopped) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		ssize_t got = recvfrom(fd, incoming, sizeof(incoming), 0, (struct sockaddr *)&peer, &length);
		uint32_t size;

		if (got < REQUEST_MIN || memcmp(incoming, "DBRU", 4) != 0)
			continue;
		size = rr_get32(incoming + 8);
		if (size < RESPONSE_MIN || size > DATAGRAM_MAX)
			continue;
		memcpy(outgoing, incoming, 8);
		sendto(fd, outgoing, size, 0, (struct sockaddr *)&peer, length);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rr_options options = rr_parse(argc, argv, "udp_rr", usage);

	if (options.request < REQUEST_MIN)
		options.request = REQUEST_MIN;
	if (options.response < RESPONSE_MIN)
		options.response = RESPONSE_MIN;
	if (options.request > DATAGRAM_MAX || options.response > DATAGRAM_MAX)
		rr_fail(&options, "a datagram holds at most %d bytes.", DATAGRAM_MAX);
	return options.server ? run_server(&options) : run_client(&options);
}

// SPDX-License-Identifier: MIT
/*
 * TCP request/response: one transaction at a time over each connection, one connection unless told otherwise.
 *
 * Protocol: the client sends a header of 16 bytes ("DBRR", then version 1, request size and response
 * size as little-endian 32-bit numbers) and from then on requests, each answered by one response.
 * Byte k of either direction, header excluded, is k % 251.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

#include "rr.h"

#define PERIOD 251

static const char usage[] =
	"usage: tcp_rr -H host [-p port] [-l seconds] [-r request,response] [-P connections] [--json] [--verify]\n"
	"       tcp_rr --server [-p port]\n"
	"Measures TCP request/response transactions per second and their latency.\n"
	"  -H host       who answers, for example 10.0.2.2\n"
	"  -p port       TCP port (12865)\n"
	"  -l seconds    how long (10); Ctrl-C ends it early and prints what was measured\n"
	"  -r req,resp   sizes in bytes, 1 to 65536 (1,1)\n"
	"  -P n          connections at once, 1 to 64 (1): a request goes out on each, then each\n"
	"                answer is awaited\n"
	"  --verify      check every byte that comes back\n"
	"  --json        print the result as one line of JSON\n"
	"  --server      answer instead of asking\n";

static unsigned char buffer[RR_MAX_SIZE];

/* The pattern of both directions: byte k of a stream is k % 251; starts at any stream position. */
static unsigned char pattern[RR_MAX_SIZE + PERIOD];

static void fill_pattern(void)
{
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char)(i % PERIOD);
}

/* Sends everything; false when the connection ended or a signal came first. */
static int send_all(int fd, const unsigned char *bytes, size_t count)
{
	while (count) {
		ssize_t sent = send(fd, bytes, count, 0);

		if (sent < 0 && errno == EINTR && !rr_stopped)
			continue;
		if (sent <= 0)
			return 0;
		bytes += sent;
		count -= (size_t)sent;
	}
	return 1;
}

/* Receives exactly `count` bytes: 1 done, 0 the other side closed, -1 error (see errno). */
static int receive_all(int fd, unsigned char *bytes, size_t count)
{
	while (count) {
		ssize_t got = recv(fd, bytes, count, 0);

		if (got < 0 && errno == EINTR && !rr_stopped)
			continue;
		if (got <= 0)
			return got == 0 ? 0 : -1;
		bytes += got;
		count -= (size_t)got;
	}
	return 1;
}

static int connect_to(const struct rr_options *options)
{
	struct addrinfo *address = rr_resolve(options, SOCK_STREAM);
	struct timeval patience = { .tv_sec = 10 };
	int one = 1, fd = socket(address->ai_family, address->ai_socktype, address->ai_protocol);

	if (fd < 0)
		rr_fail(options, "cannot make a socket: %s.", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		rr_fail(options, "cannot connect to %s port %s: %s.", options->host, options->port,
			errno == EINPROGRESS ? "no answer in 10 seconds" : strerror(errno));
	freeaddrinfo(address);
	return fd;
}

/* One connection: where its two streams stand, modulo 251, and when its request went out. */
struct connection {
	int fd;
	unsigned sent_at, received_at;
	uint64_t began;
};

/* Opens a connection and says what is going to come. */
static struct connection greet(const struct rr_options *options)
{
	struct connection connection = { .fd = connect_to(options) };
	unsigned char header[16];

	memcpy(header, "DBRR", 4);
	rr_put32(header + 4, 1);
	rr_put32(header + 8, options->request);
	rr_put32(header + 12, options->response);
	if (!send_all(connection.fd, header, sizeof(header)))
		rr_fail(options, "%s closed the connection at once.", options->host);
	return connection;
}

static void check(const struct rr_options *options, const struct rr_results *results, int got)
{
	if (got == 0)
		rr_fail(options, "%s closed the connection after %llu transactions.", options->host,
			(unsigned long long)results->transactions);
	if (got < 0)
		rr_fail(options, "the connection to %s failed after %llu transactions: %s.", options->host,
			(unsigned long long)results->transactions,
			errno == EAGAIN ? "no answer in 10 seconds" : strerror(errno));
}

static int run_client(const struct rr_options *options)
{
	static struct rr_results results;
	static struct connection connections[RR_MAX_CONNECTIONS];
	uint64_t start, now, end;

	for (unsigned i = 0; i < options->connections; i++)
		connections[i] = greet(options);

	start = now = rr_now();
	end = start + (uint64_t)(options->seconds * 1e9);
	while (now < end && !rr_stopped) {
		for (unsigned i = 0; i < options->connections && !rr_stopped; i++) {
			struct connection *c = &connections[i];

			c->began = now;
			if (!send_all(c->fd, pattern + c->sent_at, options->request) && !rr_stopped)
				check(options, &results, -1);
			c->sent_at = (c->sent_at + options->request) % PERIOD;
			if (options->connections > 1)
				now = rr_now();
		}
		for (unsigned i = 0; i < options->connections && !rr_stopped; i++) {
			struct connection *c = &connections[i];
			int got = receive_all(c->fd, buffer, options->response);

			if (rr_stopped)
				break;
			check(options, &results, got);
			if (options->verify &&
			    memcmp(buffer, pattern + c->received_at, options->response) != 0)
				rr_fail(options, "wrong bytes in response %llu.",
					(unsigned long long)results.transactions + 1);
			c->received_at = (c->received_at + options->response) % PERIOD;
			now = rr_now();
			rr_record(&results, now - c->began);
		}
	}
	results.nanoseconds = now - start;
	for (unsigned i = 0; i < options->connections; i++)
		close(connections[i].fd);
	return rr_report(options, &results, 0);
}

/* Answers one client; returns why it ended, as a phrase. */
static const char *serve(int fd)
{
	unsigned char header[16];
	unsigned request, response, sent_at = 0, received_at = 0;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (receive_all(fd, header, sizeof(header)) != 1)
		return "no header";
	request = rr_get32(header + 8);
	response = rr_get32(header + 12);
	if (memcmp(header, "DBRR", 4) != 0 || rr_get32(header + 4) != 1 || request < 1 ||
	    request > RR_MAX_SIZE || response < 1 || response > RR_MAX_SIZE)
		return "bad header";
	for (;;) {
		if (receive_all(fd, buffer, request) != 1)
			return "closed";
		if (memcmp(buffer, pattern + received_at, request) != 0)
			return "wrong bytes in a request";
		if (!send_all(fd, pattern + sent_at, response))
			return "closed";
		received_at = (received_at + request) % PERIOD;
		sent_at = (sent_at + response) % PERIOD;
	}
}

static int run_server(const struct rr_options *options)
{
	struct addrinfo *address = rr_resolve(options, SOCK_STREAM);
	int one = 1, listener = socket(address->ai_family, address->ai_socktype, address->ai_protocol);

	if (listener < 0)
		rr_fail(options, "cannot make a socket: %s.", strerror(errno));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, address->ai_addr, address->ai_addrlen) < 0 || listen(listener, 16) < 0)
		rr_fail(options, "cannot listen on port %s: %s.", options->port, strerror(errno));
	freeaddrinfo(address);
	signal(SIGCHLD, SIG_IGN);
	printf("tcp_rr: answering on port %s, Ctrl-C ends it.\n", options->port);
	fflush(stdout);
	while (!rr_stopped) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (fork() == 0) {
			const char *why;

			close(listener);
			why = serve(fd);
			if (strcmp(why, "closed") != 0)
				fprintf(stderr, "tcp_rr: a client was turned away: %s.\n", why);
			_exit(0);
		}
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rr_options options = rr_parse(argc, argv, "tcp_rr", usage);

	fill_pattern();
	return options.server ? run_server(&options) : run_client(&options);
}

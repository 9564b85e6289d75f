// SPDX-License-Identifier: MIT
/*
 * Runs commands for the host over the virtio-console port "org.doorbell.agent", see docs/agent.md.
 *
 * Frames both ways: type (1 byte), id (1), payload length (2, little-endian), payload (up to 4096).
 *   to the host:   R ready, A accepted, 1 standard output, 2 standard error, E exit status
 *   from the host: X run, S signal, K exit status received
 * The host repeats X until A comes, E is repeated here until K comes, so that a command survives
 * frames that a device reset swallows. The port reads empty while the host is away: wait, go on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define PORT_NAME "org.doorbell.agent"
#define PORTS "/sys/class/virtio-ports"
#define NETWORK_UP "/run/network-up"
#define AWAY_MS 10

static int port = -1, ready_sent;
static unsigned char input[4 + PAYLOAD_MAX];
static size_t input_length;

static int open_port(void)
{
	char path[320], name[64];
	struct dirent *entry;
	DIR *directory = opendir(PORTS);

	while (directory && (entry = readdir(directory))) {
		ssize_t got;
		int fd;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		got = read(fd, name, sizeof(name) - 1);
		close(fd);
		if (got <= 0)
			continue;
		name[got] = 0;
		name[strcspn(name, "\n")] = 0;
		if (strcmp(name, PORT_NAME) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		closedir(directory);
		return fd;
	}
	if (directory)
		closedir(directory);
	return -1;
}

/* Sends one frame, waiting for as long as the host is away. */
void send_frame(char type, unsigned char id, const void *payload, size_t length)
{
	unsigned char frame[4 + PAYLOAD_MAX] = { (unsigned char)type, id, length & 0xff, (unsigned char)(length >> 8) };
	size_t sent = 0;

	if (length)
		memcpy(frame + 4, payload, length);
	while (sent < length + 4) {
		ssize_t count = write(port, frame + sent, length + 4 - sent);

		if (count > 0)
			sent += (size_t)count;
		else if (count < 0 && errno != EAGAIN && errno != EINTR)
			return; /* the port is gone: the main loop opens it again */
		else
			poll(NULL, 0, AWAY_MS);
	}
}

static void handle_frame(unsigned char type, unsigned char id, const unsigned char *payload, size_t length)
{
	struct job *job = find_job(id);

	if (type == 'X')
		start(id, payload, length);
	else if (type == 'S' && length == 1 && job && job->state == RUNNING)
		kill(-job->pid, payload[0]);
	else if (type == 'K' && job && job->state == REPORTED)
		forget(job);
}

/* Reads what the host sent. False when it is not connected just now. */
static int read_port(void)
{
	ssize_t got = read(port, input + input_length, sizeof(input) - input_length);
	size_t at = 0;

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		input_length = 0;
		if (got < 0) {
			close(port);
			port = -1;
		}
		return 0;
	}
	if (got > 0)
		input_length += (size_t)got;
	while (input_length - at >= 4) {
		size_t length = input[at + 2] | (size_t)input[at + 3] << 8;

		if (length > PAYLOAD_MAX) {
			input_length = 0;
			return 1;
		}
		if (input_length - at < 4 + length)
			break;
		handle_frame(input[at], input[at + 1], input + at + 4, length);
		at += 4 + length;
	}
	memmove(input, input + at, input_length - at);
	input_length -= at;
	return 1;
}

/* Of a child, or from init: the network is up. */
static void on_news(int number)
{
	(void)number; /* only there to interrupt ppoll */
}

/* Waits for at most `wait` ms (-1: without end) for the port, output or the end of a child. */
static void wait_and_pass_on(int wait)
{
	struct timespec limit = { .tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L };
	struct pollfd fds[1 + 2 * JOBS];
	sigset_t none;

	fds[0] = (struct pollfd){ .fd = port, .events = POLLIN };
	for (int i = 0; i < 2 * JOBS; i++) {
		struct job *job = &jobs[i / 2];

		fds[1 + i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (job->state == RUNNING || job->state == EXITED)
			fds[1 + i].fd = job->pipes[i % 2];
	}
	sigemptyset(&none);
	if (ppoll(fds, 1 + 2 * JOBS, wait < 0 ? NULL : &limit, &none) <= 0)
		return;
	for (int i = 0; i < 2 * JOBS; i++)
		if (fds[1 + i].revents)
			pass_output(&jobs[i / 2], i % 2);
	if (fds[0].revents && !read_port()) {
		ready_sent = 0; /* said again once the host is back */
		poll(NULL, 0, AWAY_MS);
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_news };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);

	for (int tries = 0;;) {
		if (port < 0 && (port = open_port()) < 0) {
			poll(NULL, 0, tries++ < 200 ? 10 : 1000);
			continue;
		}
		if (!ready_sent && access(NETWORK_UP, F_OK) == 0) {
			send_frame('R', 0, NULL, 0);
			ready_sent = 1;
		}
		reap();
		wait_and_pass_on(report_exits());
	}
}

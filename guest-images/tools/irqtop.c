// SPDX-License-Identifier: MIT
/* Interrupts per second, line by line of /proc/interrupts. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 256

static const char usage[] =
	"usage: irqtop [-d seconds] [-n count]\n"
	"Shows how many interrupts per second each line of /proc/interrupts gets.\n"
	"  -d seconds  time between two refreshes (1)\n"
	"  -n count    refreshes before it ends (without end)\n"
	"q or Ctrl-C ends it.\n";

struct line {
	char label[12];
	unsigned long long total;
	char what[64];
};

static volatile sig_atomic_t stopped;
static struct termios before;
static int terminal;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void restore_terminal(void)
{
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Reads all lines; sums the columns of all CPUs. Returns how many lines there are. */
static int read_lines(struct line *lines)
{
	static char text[512];
	FILE *file = fopen("/proc/interrupts", "r");
	int count = 0, cpus = 0;

	if (!file) {
		fprintf(stderr, "irqtop: cannot open /proc/interrupts: %s.\n", strerror(errno));
		exit(1);
	}
	if (fgets(text, sizeof(text), file))
		for (char *at = text; (at = strstr(at, "CPU")); at += 3)
			cpus++;
	while (count < LINES_MAX && fgets(text, sizeof(text), file)) {
		struct line *line = &lines[count];
		char *at = strchr(text, ':'), *end, *label = text + strspn(text, " ");

		if (!at)
			continue;
		*at++ = 0;
		snprintf(line->label, sizeof(line->label), "%s", label);
		line->total = 0;
		for (int i = 0; i < cpus; i++, at = end) {
			line->total += strtoull(at, &end, 10);
			if (end == at)
				break;
		}
		at += strspn(at, " ");
		at[strcspn(at, "\n")] = 0;
		snprintf(line->what, sizeof(line->what), "%s", at);
		count++;
	}
	fclose(file);
	return count;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static unsigned long long total_before(const struct line *old, int count, const char *label)
{
	for (int i = 0; i < count; i++)
		if (strcmp(old[i].label, label) == 0)
			return old[i].total;
	return 0;
}

static void show(const struct line *lines, int count, const struct line *old, int old_count, double seconds)
{
	struct winsize window = { 0 };
	const char *end_of_line = terminal ? "\033[K\n" : "\n";
	int rows = 0, shown = 1;
	double sum = 0;

	if (terminal) {
		fputs("\033[H", stdout);
		if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0)
			rows = window.ws_row;
	}
	printf("%8s %12s %14s  %s%s", "line", "per second", "total", "what", end_of_line);
	for (int i = 0; i < count; i++) {
		const struct line *line = &lines[i];
		double rate = (double)(line->total - total_before(old, old_count, line->label)) / seconds;

		sum += rate;
		if (!line->total || (rows && shown >= rows - 2))
			continue;
		shown++;
		printf("%8s %12.0f %14llu  %s%s", line->label, rate, line->total, line->what, end_of_line);
	}
	printf("%8s %12.0f%s", "all", sum, end_of_line);
	if (terminal)
		fputs("\033[J", stdout);
	fflush(stdout);
}

/* Waits until `deadline`; true when the user wants to leave. */
static int wait_until(double deadline)
{
	for (;;) {
		struct pollfd input = { .fd = terminal ? STDIN_FILENO : -1, .events = POLLIN };
		double left = deadline - now();
		char key;

		if (stopped)
			return 1;
		if (left <= 0)
			return 0;
		if (poll(&input, 1, (int)(left * 1000) + 1) > 0) {
			if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
				return 1;
		}
	}
}

int main(int argc, char **argv)
{
	static struct line lines[2][LINES_MAX];
	struct sigaction action = { .sa_handler = on_signal };
	double delay = 1, last;
	long refreshes = -1;
	int which = 0, counts[2], option;
	char *end;

	while ((option = getopt_long(argc, argv, "d:n:h",
				     (struct option[]){ { "help", no_argument, NULL, 'h' }, { 0 } }, NULL)) != -1) {
		switch (option) {
		case 'd':
			delay = strtod(optarg, &end);
			if (*end || end == optarg || !(delay >= 0.05 && delay < 1e6)) {
				fputs("irqtop: -d takes a number of seconds, such as -d 0.5.\n", stderr);
				return 2;
			}
			break;
		case 'n':
			refreshes = strtol(optarg, &end, 10);
			if (*end || end == optarg || refreshes < 1) {
				fputs("irqtop: -n takes a number of refreshes, such as -n 5.\n", stderr);
				return 2;
			}
			break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (terminal) {
		struct termios raw = before;

		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		atexit(restore_terminal);
		fputs("\033[2J", stdout);
	}
	counts[0] = read_lines(lines[0]);
	last = now();
	while (refreshes && !wait_until(last + delay)) {
		double at = now();

		which = !which;
		counts[which] = read_lines(lines[which]);
		show(lines[which], counts[which], lines[!which], counts[!which], at - last);
		last = at;
		if (refreshes > 0)
			refreshes--;
	}
	return 0;
}

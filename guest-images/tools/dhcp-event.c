// SPDX-License-Identifier: MIT
/*
 * What udhcpc calls with its news: sets address, route and resolver from the environment.
 * `dhcp-event deconfig|bound|renew|leasefail|nak`, see "udhcpc --help".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORK_UP "/run/network-up"

static int failed;

static void complain(const char *what)
{
	fprintf(stderr, "dhcp-event: %s: %s\n", what, strerror(errno));
	failed = 1;
}

static int parse(const char *text, struct sockaddr *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	char first[16];

	if (!text)
		return 0;
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(text, " "), text);
	if (inet_pton(AF_INET, first, &in.sin_addr) != 1)
		return 0;
	memcpy(address, &in, sizeof(in));
	return 1;
}

static void set_address(int fd, const char *interface)
{
	struct ifreq request = { 0 };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (!parse(getenv("ip"), &request.ifr_addr) || ioctl(fd, SIOCSIFADDR, &request) < 0)
		complain("address");
	if (parse(getenv("subnet"), &request.ifr_netmask) && ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		complain("netmask");
	if (!parse(getenv("router"), &route.rt_gateway))
		return;
	route.rt_dst.sa_family = AF_INET;
	route.rt_genmask.sa_family = AF_INET;
	if (ioctl(fd, SIOCADDRT, &route) < 0 && errno != EEXIST)
		complain("route");
}

static void write_resolver(void)
{
	const char *servers = getenv("dns"), *domain = getenv("domain");
	FILE *file = fopen("/etc/resolv.conf", "w");

	if (!file) {
		complain("/etc/resolv.conf");
		return;
	}
	if (domain && *domain)
		fprintf(file, "search %s\n", domain);
	while (servers && *servers) {
		int length = (int)strcspn(servers, " ");

		if (length)
			fprintf(file, "nameserver %.*s\n", length, servers);
		servers += length + (servers[length] == ' ');
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	const char *event = argc > 1 ? argv[1] : "", *interface = getenv("interface");
	int fd;

	if (strcmp(event, "bound") != 0 && strcmp(event, "renew") != 0)
		return 0; /* init has set the link up already */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	write_resolver();
	set_address(fd, interface ? interface : "eth0");
	close(fd);
	if (!failed)
		close(open(NETWORK_UP, O_CREAT | O_WRONLY, 0644));
	return failed;
}

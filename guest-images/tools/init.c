// SPDX-License-Identifier: MIT
/*
 * The first process: mounts, network links, agent, DHCP, a login shell on the console.
 *
 * A program rather than a script, because on an emulated CPU each fork and exec of a shell script's
 * commands is seen in the boot time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NETWORK_UP "/run/network-up"
#define APPLETS "/etc/applets"
#ifndef SIOCETHTOOL
#define SIOCETHTOOL 0x8946
#endif
#define CONSOLE_DEVICES "/sys/bus/virtio/drivers/virtio_console"
#define CONSOLE_PATIENCE_MS 3000

static char *const environment[] = {
	"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=xterm-256color",
	"PATH=/bin:/sbin:/usr/bin:/usr/sbin", NULL,
};

static const struct {
	const char *source, *target, *type, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "devtmpfs", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV },
};

static char terminal[32] = "/dev/hvc0";
static int terminal_fd = -1;

struct service {
	char *arguments[12];
	int shell, again; /* again: start it anew when it ends */
	pid_t pid;
	time_t started;
};

static struct service agent = { .arguments = { "/sbin/agent", NULL }, .again = 1 };
static struct service dhcp = {
	.arguments = { "/bin/udhcpc", "-f", "-q", "-i", "eth0", "-t", "5", "-T", "1", "-A", "1", NULL },
};
static struct service shell = { .arguments = { "-sh", NULL }, .shell = 1, .again = 1 };
static struct service *const services[] = { &agent, &dhcp, &shell };

static void complain(const char *what)
{
	dprintf(terminal_fd >= 0 ? terminal_fd : 2, "init: %s: %s\n", what, strerror(errno));
}

static int exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void sleep_ms(int milliseconds)
{
	poll(NULL, 0, milliseconds);
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0 && errno != EBUSY)
			complain(mounts[i].target);
	}
	if (symlink("/proc/self/fd", "/dev/fd") < 0 && errno != EEXIST)
		complain("/dev/fd");
}

/*
 * Each of BusyBox's applets by its name. Here and not in the initramfs, as an entry there takes the kernel three times
 * as long; and hard links, as `busybox --install` makes them: a symbolic link is an inode of its own.
 */
static void link_applets(void)
{
	char names[4096], *name, *rest = names;
	int fd = open(APPLETS, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, names, sizeof(names) - 1);

	if (length < 0 || chdir("/bin") < 0) {
		complain(APPLETS);
		return;
	}
	close(fd);
	names[length] = 0;
	while ((name = strsep(&rest, "\n")))
		if (*name && link("busybox", name) < 0 && errno != EEXIST)
			complain(name);
	if (chdir("/") < 0)
		complain("/");
}

/* Whether there is a device for the console driver, whose folder has a link to each, "virtio0". */
static int has_virtio_console(void)
{
	DIR *directory = opendir(CONSOLE_DEVICES);
	struct dirent *entry;
	int found = 0;

	while (directory && !found && (entry = readdir(directory)))
		found = strncmp(entry->d_name, "virtio", 6) == 0;
	if (directory)
		closedir(directory);
	return found;
}

/* The console that there is: hvc0 when there is a virtio console, else the first serial port. */
static void open_terminal(void)
{
	/* It takes some messages between driver and device until the port is a console. */
	for (int waited = 0; has_virtio_console() && waited < CONSOLE_PATIENCE_MS; waited += 5) {
		terminal_fd = open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (terminal_fd >= 0)
			return;
		sleep_ms(5);
	}
	strcpy(terminal, "/dev/ttyS0");
	terminal_fd = open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal_fd < 0) {
		strcpy(terminal, "/dev/console");
		terminal_fd = open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
}

static void link_up(int fd, const char *name)
{
	struct ifreq request = { 0 };

	strcpy(request.ifr_name, name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return;
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		complain(name);
}

/*
 * A card that hands over whole segments of 64 KiB (VIRTIO_NET_F_GUEST_TSO4, bit 7) leaves nothing to merge: the kernel
 * need not look for it in each frame.
 */
static void spare_merging(int fd)
{
	struct {
		unsigned command, value;
	} generic_receive_offload = { 0x2c /* ETHTOOL_SGRO */, 0 };
	struct ifreq request = { .ifr_data = (void *)&generic_receive_offload };
	char features[8] = "";
	int file = open("/sys/class/net/eth0/device/features", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return;
	if (read(file, features, sizeof(features)) == sizeof(features) && features[7] == '1') {
		strcpy(request.ifr_name, "eth0");
		if (ioctl(fd, SIOCETHTOOL, &request) < 0)
			complain("generic receive offload");
	}
	close(file);
}

static void start(struct service *service)
{
	sigset_t none;

	service->started = time(NULL);
	service->pid = fork();
	if (service->pid < 0)
		complain("fork");
	if (service->pid)
		return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (service->shell) {
		int fd = open(terminal, O_RDWR);

		if (fd < 0)
			_exit(1);
		ioctl(fd, TIOCSCTTY, 1);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
		if (chdir("/root") < 0)
			complain("/root");
	} else {
		int fd = open("/dev/null", O_RDWR);

		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		if (fd > 2)
			close(fd);
	}
	execve(service->shell ? "/bin/sh" : service->arguments[0], service->arguments, environment);
	_exit(127);
}

/*
 * What people wait for is the prompt: the shell goes first, until it waits for input. A process of the least priority
 * gives way at once, and for long enough.
 */
static void after_the_shell(void)
{
	if (setpriority(PRIO_PROCESS, 0, 19) < 0 || sched_yield() < 0 || setpriority(PRIO_PROCESS, 0, 0) < 0)
		complain("priority");
}

static void copy_to_terminal(const char *path)
{
	char bytes[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	while (fd >= 0 && (got = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(terminal_fd, bytes, (size_t)got) != got)
			break;
	if (fd >= 0)
		close(fd);
}

static void shut_down(int command)
{
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	for (int i = 0; i < 20; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			break;
		sleep_ms(50);
	}
	kill(-1, SIGKILL);
	sync();
	dprintf(terminal_fd, "\r\n%s\r\n", command == RB_AUTOBOOT ? "Restarting." : "The guest is off.");
	reboot(command);
	for (;;)
		pause();
}

static void reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
			struct service *service = services[i];

			if (service->pid != pid)
				continue;
			service->pid = 0;
			/* The agent says that the guest is ready once there is a network, and need not look for it. */
			if (service == &dhcp && agent.pid > 0)
				kill(agent.pid, SIGCHLD);
			if (!service->again && (service != &dhcp || exists(NETWORK_UP)))
				continue;
			if (time(NULL) - service->started < 1)
				sleep_ms(500);
			start(service);
		}
}

int main(void)
{
	sigset_t signals;
	int fd, network;

	umask(022);
	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	mount_all();
	link_applets();
	if (sethostname("doorbell", 8) < 0)
		complain("host name");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	link_up(fd, "lo");
	open_terminal();
	dprintf(terminal_fd, "Doorbell guest ready\n");
	copy_to_terminal("/etc/motd");
	start(&shell);
	after_the_shell();

	network = exists("/sys/class/net/eth0");
	if (network) {
		spare_merging(fd);
		link_up(fd, "eth0");
		start(&dhcp);
	} else {
		close(open(NETWORK_UP, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)); /* nothing to wait for */
	}
	close(fd);
	start(&agent);
	for (;;) {
		int number = sigwaitinfo(&signals, NULL);

		if (number == SIGCHLD)
			reap();
		else if (number == SIGUSR2)
			shut_down(RB_POWER_OFF);
		else if (number == SIGUSR1)
			shut_down(RB_HALT_SYSTEM);
		else if (number == SIGTERM || number == SIGINT)
			shut_down(RB_AUTOBOOT);
	}
}

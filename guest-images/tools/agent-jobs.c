// SPDX-License-Identifier: MIT
/* The agent's commands: started, listened to, waited for, reported. See agent.c for the protocol. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define REPEAT_MS 1000
#define LINGER_MS 200 /* output of processes that outlive their shell is waited for this long */

struct job jobs[JOBS];

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

struct job *find_job(unsigned char id)
{
	for (int i = 0; i < JOBS; i++)
		if (jobs[i].state != FREE && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

void forget(struct job *job)
{
	for (int i = 0; i < 2; i++)
		if (job->pipes[i] >= 0)
			close(job->pipes[i]);
	job->state = FREE;
}

static void run_child(const char *command, int out, int err)
{
	static char *const environment[] = {
		"HOME=/root", "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=dumb", NULL,
	};
	char *const arguments[] = { "sh", "-c", (char *)command, NULL };
	sigset_t none;

	setpgid(0, 0);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
	dup2(out, 1);
	dup2(err, 2);
	if (chdir("/root") < 0 && chdir("/") < 0)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	execve("/bin/sh", arguments, environment);
	_exit(127);
}

void start(unsigned char id, const unsigned char *payload, size_t length)
{
	static const char trouble[] = "agent: cannot start a process\n";
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	char command[PAYLOAD_MAX + 1];
	struct job *job = find_job(id);

	if (job) {
		send_frame('A', id, NULL, 0); /* asked again: the answer was late */
		return;
	}
	for (int i = 0; !job && i < JOBS; i++)
		if (jobs[i].state == FREE)
			job = &jobs[i];
	if (!job)
		return; /* the host asks again in a second */

	send_frame('A', id, NULL, 0);
	memcpy(command, payload, length);
	command[length] = 0;
	*job = (struct job){ .state = RUNNING, .id = id, .pid = -1, .since = now_ms() };
	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
		job->pid = fork();
	if (job->pid == 0)
		run_child(command, out[1], err[1]);
	if (job->pid > 0)
		setpgid(job->pid, job->pid);
	close(out[1]);
	close(err[1]);
	job->pipes[0] = out[0];
	job->pipes[1] = err[0];
	if (job->pid < 0) {
		send_frame('2', id, trouble, sizeof(trouble) - 1);
		job->state = EXITED;
		job->status = 126;
		job->since -= LINGER_MS;
	}
}

void pass_output(struct job *job, int which)
{
	char bytes[PAYLOAD_MAX];
	ssize_t got = read(job->pipes[which], bytes, sizeof(bytes));

	if (got > 0) {
		send_frame(which ? '2' : '1', job->id, bytes, (size_t)got);
		job->since = now_ms();
	} else if (got == 0) {
		close(job->pipes[which]);
		job->pipes[which] = -1;
	}
}

void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < JOBS; i++)
			if (jobs[i].state == RUNNING && jobs[i].pid == pid) {
				jobs[i].state = EXITED;
				jobs[i].status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
				jobs[i].since = now_ms();
			}
}

/* Reports exits, repeats reports. Returns in how many ms it wants to be called again, -1 for never. */
int report_exits(void)
{
	int wait = -1;

	for (int i = 0; i < JOBS; i++) {
		struct job *job = &jobs[i];
		int open = job->pipes[0] >= 0 || job->pipes[1] >= 0;
		long long idle = now_ms() - job->since, patience = job->state == REPORTED ? REPEAT_MS : LINGER_MS;

		if (job->state != REPORTED && job->state != EXITED)
			continue;
		if ((job->state == EXITED && !open) || idle >= patience) {
			unsigned char status = (unsigned char)job->status;

			send_frame('E', job->id, &status, 1);
			job->state = REPORTED;
			job->since = now_ms();
			idle = 0;
			patience = REPEAT_MS;
		}
		if (wait < 0 || patience - idle < wait)
			wait = (int)(patience - idle);
	}
	return wait;
}

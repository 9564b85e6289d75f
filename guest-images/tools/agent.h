/* SPDX-License-Identifier: MIT */
/* The agent's two halves: the port (agent.c) and the commands that run (agent-jobs.c). */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <sys/types.h>

#define PAYLOAD_MAX 4096
#define JOBS 16

enum { FREE, RUNNING, EXITED, REPORTED };

struct job {
	int state, status;
	unsigned char id;
	pid_t pid;
	int pipes[2]; /* standard output and error, -1 when closed */
	long long since; /* of the last sign of life in this state, in ms */
};

extern struct job jobs[JOBS];

/* agent.c: sends one frame, waiting for as long as the host is away. */
void send_frame(char type, unsigned char id, const void *payload, size_t length);

/* agent-jobs.c */
struct job *find_job(unsigned char id);
void start(unsigned char id, const unsigned char *payload, size_t length);
void forget(struct job *job);
void pass_output(struct job *job, int which);
void reap(void);
int report_exits(void);

#endif

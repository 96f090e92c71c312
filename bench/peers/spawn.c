/* The floor under every tool that starts commands: posix_spawn (vfork and exec
 * in glibc) and waitpid in a loop, nothing else.
 *
 *     spawn N OUTSTANDING PROGRAM [ARGUMENT]...
 *
 * starts PROGRAM N times, OUTSTANDING at a time, with its number as the last
 * argument, and prints one line of JSON. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* command is the program and its arguments, with room for one more at last. */
static char **command;
static int last;

static int start(long number) {
	char text[24];
	pid_t pid;
	snprintf(text, sizeof text, "%ld", number);
	command[last] = text;
	return posix_spawn(&pid, command[0], NULL, NULL, command, environ);
}

/* run returns the number of commands that ended with status 0. */
static long run(long n, long outstanding) {
	long started = 0, ended = 0, good = 0;
	while (ended < n) {
		while (started < n && started - ended < outstanding) {
			if (start(started) != 0)
				return -1;
			started++;
		}
		int status;
		if (waitpid(-1, &status, 0) < 0)
			return -1;
		ended++;
		good += status == 0;
	}
	return good;
}

int main(int argc, char **argv) {
	if (argc < 4)
		return 2;
	long n = atol(argv[1]), outstanding = atol(argv[2]);
	last = argc - 3;
	command = calloc(last + 2, sizeof *command);
	if (command == NULL)
		return 1;
	memcpy(command, argv + 3, last * sizeof *command);
	if (run(n / 10 + 1, outstanding) < 0)
		return 1;
	long long begin = now_ns();
	long good = run(n, outstanding);
	printf("{\"n\":%ld,\"ns\":%lld,\"sum\":%ld}\n", n, now_ns() - begin, good);
	return good == n ? 0 : 1;
}

/* The floor under every tool that starts commands: posix_spawn (vfork and exec
 * in glibc) and waitpid in a loop, nothing else.
 *
 *     spawn N OUTSTANDING PROGRAM
 *
 * starts PROGRAM N times, OUTSTANDING at a time, with its number as argument,
 * and prints one line of JSON. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static long long now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int start(char *program, long number) {
	char text[24];
	pid_t pid;
	snprintf(text, sizeof text, "%ld", number);
	char *argv[] = {program, text, NULL};
	return posix_spawn(&pid, program, NULL, NULL, argv, environ);
}

/* run returns the number of commands that ended with status 0. */
static long run(char *program, long n, long outstanding) {
	long started = 0, ended = 0, good = 0;
	while (ended < n) {
		while (started < n && started - ended < outstanding) {
			if (start(program, started) != 0)
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
	if (argc != 4)
		return 2;
	long n = atol(argv[1]), outstanding = atol(argv[2]);
	if (run(argv[3], n / 10 + 1, outstanding) < 0)
		return 1;
	long long begin = now_ns();
	long good = run(argv[3], n, outstanding);
	printf("{\"n\":%ld,\"ns\":%lld,\"sum\":%ld}\n", n, now_ns() - begin, good);
	return good == n ? 0 : 1;
}

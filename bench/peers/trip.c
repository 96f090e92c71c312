/* How long a line takes through a program that answers each line with one: starts what
 * its arguments say, COUNT COMMAND..., writes a line, waits for the answer, and so on.
 * Prints the median and the worst of COUNT, in ns, a tenth as many before not counted.
 * In C, so that nothing of this side takes turns with what is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void must(int ok, const char *what) {
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static long long now(void) {
	struct timespec t;
	must(!clock_gettime(CLOCK_MONOTONIC, &t), "clock_gettime");
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

static long long trip(int to, int from) {
	static const char line[] = "line\n";
	const size_t size = sizeof line - 1;
	char answer[sizeof line];
	long long begin = now();
	must(write(to, line, size) == (ssize_t)size, "write");
	for (size_t have = 0; have < size;) {
		ssize_t n = read(from, answer + have, sizeof answer - have);
		must(n > 0, "read");
		have += n;
	}
	long long took = now() - begin;
	must(!memcmp(answer, line, size), "compare the answer");
	return took;
}

int main(int argc, char **argv) {
	int in[2], out[2];
	must(argc > 2, "arguments");
	int count = atoi(argv[1]);
	must(!pipe(in) && !pipe(out), "pipe");
	pid_t child = fork();
	must(child >= 0, "fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int i = 0; i < 2; i++) {
			close(in[i]);
			close(out[i]);
		}
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	long long *took = malloc(count * sizeof *took);
	must(took != NULL, "malloc");
	for (int i = 0; i < count / 10; i++) /* until it has settled */
		trip(in[1], out[0]);
	for (int i = 0; i < count; i++)
		took[i] = trip(in[1], out[0]);
	close(in[1]);
	int status;
	must(waitpid(child, &status, 0) == child && !status, "end of the command");
	qsort(took, count, sizeof *took, by_size);
	printf("%lld %lld\n", took[count / 2], took[count - 1]);
	return 0;
}

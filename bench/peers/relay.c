/* The floor under a tool that stands between a program that runs on and whoever feeds
 * it: starts cat, gives it what comes on standard input, and its answers back, whatever
 * comes first; nothing else. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char *what) {
	if (!ok) {
		perror(what);
		exit(1);
	}
}

/* pass hands on what is there, and returns how much that was; 0: it is over. */
static ssize_t pass(int from, int to) {
	char text[4096];
	ssize_t n = read(from, text, sizeof text);
	must(n >= 0, "read");
	must(write(to, text, n) == n, "write");
	return n;
}

int main(void) {
	int in[2], out[2];
	must(!pipe(in) && !pipe(out), "pipe");
	pid_t cat = fork();
	must(cat >= 0, "fork");
	if (!cat) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int i = 0; i < 2; i++) {
			close(in[i]);
			close(out[i]);
		}
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	struct pollfd ends[2] = {{0, POLLIN, 0}, {out[0], POLLIN, 0}};
	for (;;) {
		must(poll(ends, 2, -1) > 0 || errno == EINTR, "poll");
		if (ends[1].revents && !pass(out[0], 1))
			break;
		if (ends[0].revents && !pass(0, in[1])) {
			close(in[1]);
			ends[0].fd = -1;
		}
	}
	waitpid(cat, NULL, 0);
	return 0;
}

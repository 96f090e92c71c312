/* Two processes, on a CPU each, as C programs on Linux talk to each other.
 *
 *     sides mutex     N REST CPU CPU   a robust mutex that both share, given to the other
 *     sides semaphore N REST CPU CPU   64 bytes there and back, a semaphore for each way
 *     sides socket    N REST CPU CPU   64 bytes there and back over a Unix socket
 *
 * REST is how many ns the first rests before each of N times; the other sleeps meanwhile,
 * and what counts is the median. With a REST of 0 both sides poll, and the mean counts.
 *
 * prints one line of JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct shared {
	pthread_mutex_t mutex;
	_Alignas(64) atomic_long asked;
	_Alignas(64) atomic_long got;
	_Alignas(64) sem_t there;
	_Alignas(64) sem_t back;
	_Alignas(64) long going[8];
	_Alignas(64) long coming[8];
} *m;
static int ends[2], rest;

static void must(int ok, const char *what) {
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static long long now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void pin(const char *cpu) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(atoi(cpu), &set);
	must(!sched_setaffinity(0, sizeof set, &set), "pin a process");
}

static void take(sem_t *s) {
	while (rest ? sem_wait(s) : sem_trywait(s))
		must(errno == EINTR || errno == EAGAIN, "wait for a semaphore");
}

static void hear(int fd, long *message) {
	ssize_t n;
	while ((n = recv(fd, message, 64, rest ? 0 : MSG_DONTWAIT)) != 64)
		must(n < 0 && (errno == EINTR || errno == EAGAIN), "hear of the other side");
}

static void say(int fd, const long *message) { must(send(fd, message, 64, 0) == 64, "tell the other side"); }

static void answer(char what) {
	long message[8];
	for (long i = 1;; i++) {
		if (what == 'm') {
			while (atomic_load(&m->asked) != i)
				;
			must(!pthread_mutex_lock(&m->mutex), "lock");
			atomic_store(&m->got, i);
			must(!pthread_mutex_unlock(&m->mutex), "unlock");
		} else if (what == 'e') {
			take(&m->there);
			memcpy(m->coming, m->going, sizeof m->coming);
			sem_post(&m->back);
		} else {
			hear(ends[1], message);
			say(ends[1], message);
		}
	}
}

/* once is one time of N, the number i, and returns the ns that it took; only with a rest,
 * since looking at the clock takes as long as polling does. */
static long long once(char what, long i) {
	struct timespec pause = {0, rest};
	long message[8] = {i};
	if (what == 'm') {
		must(!pthread_mutex_lock(&m->mutex), "lock");
		atomic_store(&m->asked, i);
	}
	if (rest)
		nanosleep(&pause, NULL);
	long long begin = rest ? now_ns() : 0;
	if (what == 'm') {
		must(!pthread_mutex_unlock(&m->mutex), "unlock");
		while (atomic_load(&m->got) != i)
			;
	} else if (what == 'e') {
		memcpy(m->going, message, sizeof m->going);
		sem_post(&m->there);
		take(&m->back);
		memcpy(message, m->coming, sizeof message);
	} else {
		say(ends[0], message);
		hear(ends[0], message);
	}
	long long took = rest ? now_ns() - begin : 0;
	must(message[0] == i, "compare what came back");
	return took;
}

static int before(const void *a, const void *b) {
	long long x = *(const long long *)a, y = *(const long long *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	if (argc != 6)
		return 2;
	char what = argv[1][0] == 's' ? argv[1][1] : argv[1][0]; /* m, e or o */
	long n = atol(argv[2]), sum = 0;
	rest = atoi(argv[3]);
	m = mmap(0, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long *took = calloc(n, sizeof *took);
	pthread_mutexattr_t a;
	must(m != MAP_FAILED && took && !pthread_mutexattr_init(&a) && !pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) &&
	     !pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) && !pthread_mutex_init(&m->mutex, &a) && !sem_init(&m->there, 1, 0) &&
	     !sem_init(&m->back, 1, 0) && !socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "set up");
	pid_t other = fork();
	must(other >= 0, "fork");
	if (!other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(argv[5]);
		answer(what);
	}
	pin(argv[4]);
	long number = 0;
	while (number < n / 10) /* warms up */
		once(what, ++number);
	long long begin = now_ns();
	for (long i = 0; i < n; i++) {
		took[i] = once(what, ++number);
		sum += i;
	}
	long long all = now_ns() - begin;
	kill(other, SIGKILL);
	if (rest) {
		qsort(took, n, sizeof *took, before);
		all = took[n / 2] * n;
	}
	printf("{\"n\":%ld,\"ns\":%lld,\"sum\":%ld}\n", n, all, sum);
	return 0;
}

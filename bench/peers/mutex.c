/* A robust mutex that processes share, as POSIX has it, locked and unlocked by one
 * thread.
 *
 *     mutex N
 *
 * prints one line of JSON. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static long long now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv) {
	long n = argc > 1 ? atol(argv[1]) : 0, sum = 0;
	pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	if (m == MAP_FAILED || pthread_mutexattr_init(&a) || pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) ||
	    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) || pthread_mutex_init(m, &a))
		return 1;
	long long begin = now_ns();
	for (long i = 0; i < n; i++) {
		if (pthread_mutex_lock(m))
			return 1;
		sum += i;
		if (pthread_mutex_unlock(m))
			return 1;
	}
	printf("{\"n\":%ld,\"ns\":%lld,\"sum\":%ld}\n", n, now_ns() - begin, sum);
	return 0;
}

/*
 * The wall clock of a process, as a test sets it: preloaded, it answers what the C library
 * would. The process is not changed, and does not know.
 *
 * TEST_WALL_CLOCK names a file of eight bytes, nanoseconds since 1970 in the machine's own byte
 * order; 0 leaves the clock as it is. Every clock but the wall clock goes on as ever.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000

static _Atomic int64_t none;
static _Atomic int64_t *set_to = &none;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TEST_WALL_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *found = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
	if (found != MAP_FAILED)
		set_to = found;
	close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t moment = *set_to;
	if (moment == 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return (int)syscall(SYS_clock_gettime, clock, now);
	now->tv_sec = moment / SECOND;
	now->tv_nsec = moment % SECOND;
	return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec found;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &found);
	now->tv_sec = found.tv_sec;
	now->tv_usec = found.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *now)
{
	struct timespec found;
	clock_gettime(CLOCK_REALTIME, &found);
	if (now)
		*now = found.tv_sec;
	return found.tv_sec;
}

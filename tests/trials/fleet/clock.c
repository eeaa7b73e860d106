/* Gives a process another time than the machine's: preloaded, it adds an offset from a file to the calendar time, in
 * microseconds as eight bytes. The monotonic clock is left alone, as it is when a machine's clock is set. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED) offset = found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now) != 0;
    if (failed || !offset || clock != CLOCK_REALTIME) return failed ? -1 : 0;
    int64_t ns = now->tv_nsec + (*offset % 1000000) * 1000;
    now->tv_sec += *offset / 1000000 + (ns >= 1000000000) - (ns < 0);
    now->tv_nsec = (ns + 1000000000) % 1000000000;
    return 0;
}

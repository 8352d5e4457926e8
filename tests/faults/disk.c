/*
 * A disk that is slow or fails, for one process: loaded before the C library, it delays or refuses what the process
 * does to regular files. The file named by FAULTY_DISK is the switch: numbers of 32 bits that may change at any time.
 *
 *   0  milliseconds that each sync takes longer
 *   1  the error that each sync ends with, after that; 0: none
 *   2  the error that each write ends with; 0: none
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_DELAY, SYNC_ERROR, WRITE_ERROR, NUMBERS };

static const volatile uint32_t *numbers;

__attribute__((constructor)) static void map_switch(void)
{
    const char *path = getenv("FAULTY_DISK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        _exit(127);
    void *mapped = mmap(NULL, NUMBERS * sizeof *numbers, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        _exit(127);
    numbers = mapped;
}

static int regular(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

/* 0, or the error that a write to the file ends with. */
static int write_error(int file)
{
    uint32_t error = numbers ? numbers[WRITE_ERROR] : 0;
    return error && regular(file) ? (int)error : 0;
}

/* Waits as a sync has to; 0, or the error that it ends with. */
static int sync_error(void)
{
    if (!numbers)
        return 0;
    uint32_t millis = numbers[SYNC_DELAY];
    struct timespec delay = { millis / 1000, (long)(millis % 1000) * 1000000 };
    while (nanosleep(&delay, &delay) != 0 && errno == EINTR)
        ;
    return (int)numbers[SYNC_ERROR];
}

#define FAIL_WITH(error) do { int failed = (error); if (failed) { errno = failed; return -1; } } while (0)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file)
{
    FAIL_WITH(sync_error());
    return REAL(fsync)(file);
}

int fdatasync(int file)
{
    FAIL_WITH(sync_error());
    return REAL(fdatasync)(file);
}

ssize_t write(int file, const void *bytes, size_t length)
{
    FAIL_WITH(write_error(file));
    return REAL(write)(file, bytes, length);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    FAIL_WITH(write_error(file));
    return REAL(writev)(file, parts, count);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset)
{
    FAIL_WITH(write_error(file));
    return REAL(pwrite)(file, bytes, length, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset)
{
    FAIL_WITH(write_error(file));
    return REAL(pwrite64)(file, bytes, length, offset);
}

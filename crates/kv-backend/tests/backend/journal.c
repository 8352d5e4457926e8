// Preloaded into a child process of the tests: writes down every change of the files below a directory, in order
// and with the bytes, so that the test can build what a power loss at any moment may leave on the disk.
//
// KVD_JOURNAL_ROOT  the directory; paths below it are used in full
// KVD_JOURNAL       the file the journal goes to; none is written without it
// KVD_JOURNAL_FAIL  a file that, while it exists, asks for trouble below the directory: "w3" makes the third write
//                   fail with ENOSPC and removes the file, "s3" the third sync with EIO; "w0" and "s0" make all fail
//
// A record: operation (1 byte), three numbers (8 bytes each), length of names (4), of data (4), names, data.
// Two names are joined by '/'. Files and directories go by their inode number.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROOT = 1, CREATE, MAKE_DIR, LINK, UNLINK, RENAME, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END };

#define FDS_MAX 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_len;
static const char *fail_path;
static int journal = -1;
static uint64_t syncs;
// Inode behind each descriptor of a file or directory below the root, 0 for all others.
static uint64_t inodes[FDS_MAX];

#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static ssize_t write_through(int fd, const void *bytes, size_t len) {
    REAL(ssize_t, write, int, const void *, size_t);
    return real_write(fd, bytes, len);
}

static int open_through(const char *path, int flags, mode_t mode) {
    REAL(int, open64, const char *, int, ...);
    return real_open64(path, flags, mode);
}

static void put(const void *bytes, size_t len) {
    const char *at = bytes;
    while (len > 0) {
        ssize_t done = write_through(journal, at, len);
        if (done <= 0) {
            perror("write journal");
            abort();
        }
        at += done;
        len -= (size_t)done;
    }
}

static void record(char operation, uint64_t a, uint64_t b, uint64_t c, const char *names, const void *data, size_t len) {
    if (journal < 0) return;
    uint64_t numbers[3] = {a, b, c};
    uint32_t lens[2] = {(uint32_t)strlen(names), (uint32_t)len};
    put(&operation, 1);
    put(numbers, sizeof numbers);
    put(lens, sizeof lens);
    put(names, lens[0]);
    put(data, len);
}

static uint64_t inode_of(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 ? (uint64_t)found.st_ino : 0;
}

static uint64_t parent_of(const char *path) {
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    return inode_of(dirname(copy));
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int below_root(const char *path) {
    return root_len > 0 && strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0);
}

static uint64_t tracked(int fd) {
    return fd >= 0 && fd < FDS_MAX ? inodes[fd] : 0;
}

static int fails(int sync) {
    static int seen;
    if (!fail_path) return 0;
    pthread_mutex_lock(&lock);
    int result = 0;
    FILE *file = fopen(fail_path, "r");
    if (file) {
        char kind = 0;
        int number = 0;
        if (fscanf(file, "%c%d", &kind, &number) == 2 && kind == (sync ? 's' : 'w')) {
            result = number == 0 || ++seen == number;
            if (result && number > 0) {
                remove(fail_path);
                seen = 0;
            }
        }
        fclose(file);
    } else {
        seen = 0;
    }
    pthread_mutex_unlock(&lock);
    if (result) errno = sync ? EIO : ENOSPC;
    return result;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("KVD_JOURNAL_ROOT");
    if (!path) return;
    snprintf(root, sizeof root, "%s", path);
    root_len = strlen(root);
    fail_path = getenv("KVD_JOURNAL_FAIL");
    const char *to = getenv("KVD_JOURNAL");
    if (to) journal = open_through(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    // Programs this one starts write no journal of their own.
    unsetenv("KVD_JOURNAL_ROOT");
    unsetenv("KVD_JOURNAL");
    unsetenv("LD_PRELOAD");
    record(ROOT, inode_of(root), 0, 0, "", "", 0);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    if (!below_root(path)) return open_through(path, flags, mode);
    pthread_mutex_lock(&lock);
    uint64_t before = inode_of(path);
    int fd = open_through(path, flags, mode);
    if (fd >= 0 && fd < FDS_MAX) {
        inodes[fd] = inode_of(path);
        if (!before) record(CREATE, parent_of(path), inodes[fd], 0, name_of(path), "", 0);
        if (before && (flags & O_TRUNC)) record(TRUNCATE, inodes[fd], 0, 0, "", "", 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int close(int fd) {
    REAL(int, close, int);
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS_MAX) inodes[fd] = 0;
    int result = real_close(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    if (!tracked(fd)) return write_through(fd, bytes, len);
    if (fails(0)) return -1;
    pthread_mutex_lock(&lock);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = write_through(fd, bytes, len);
    if (done > 0) record(WRITE, tracked(fd), (uint64_t)at, 0, "", bytes, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (!tracked(fd) || count == 0) return real_writev(fd, parts, count);
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    if (!tracked(fd)) return real_pwrite64(fd, bytes, len, at);
    if (fails(0)) return -1;
    pthread_mutex_lock(&lock);
    ssize_t done = real_pwrite64(fd, bytes, len, at);
    if (done > 0) record(WRITE, tracked(fd), (uint64_t)at, 0, "", bytes, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int fd, off64_t len) {
    REAL(int, ftruncate64, int, off64_t);
    if (!tracked(fd)) return real_ftruncate64(fd, len);
    pthread_mutex_lock(&lock);
    int result = real_ftruncate64(fd, len);
    if (result == 0) record(TRUNCATE, tracked(fd), (uint64_t)len, 0, "", "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

// What was written before a sync began is durable when it has ended. Others may write meanwhile.
static int sync_with(int (*real)(int), int fd) {
    uint64_t inode = tracked(fd);
    if (!inode) return real(fd);
    if (fails(1)) return -1;
    pthread_mutex_lock(&lock);
    uint64_t id = ++syncs;
    record(SYNC_BEGIN, inode, id, 0, "", "", 0);
    pthread_mutex_unlock(&lock);
    int result = real(fd);
    if (result == 0) {
        pthread_mutex_lock(&lock);
        record(SYNC_END, inode, id, 0, "", "", 0);
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int fsync(int fd) {
    REAL(int, fsync, int);
    return sync_with(real_fsync, fd);
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int);
    return sync_with(real_fdatasync, fd);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    if (!below_root(path)) return real_mkdir(path, mode);
    pthread_mutex_lock(&lock);
    int result = real_mkdir(path, mode);
    if (result == 0) record(MAKE_DIR, parent_of(path), inode_of(path), 0, name_of(path), "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    if (!below_root(path)) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int result = real_unlink(path);
    if (result == 0) record(UNLINK, parent_of(path), 0, 0, name_of(path), "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rmdir(const char *path) {
    REAL(int, rmdir, const char *);
    if (!below_root(path)) return real_rmdir(path);
    pthread_mutex_lock(&lock);
    int result = real_rmdir(path);
    if (result == 0) record(UNLINK, parent_of(path), 0, 0, name_of(path), "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

// The reader of the journal drops what happens in directories it does not know.
int unlinkat(int dir, const char *name, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (dir == AT_FDCWD) return flags & AT_REMOVEDIR ? rmdir(name) : unlink(name);
    pthread_mutex_lock(&lock);
    struct stat found;
    uint64_t parent = fstat(dir, &found) == 0 ? (uint64_t)found.st_ino : 0;
    int result = real_unlinkat(dir, name, flags);
    if (result == 0) record(UNLINK, parent, 0, 0, name, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    if (!below_root(from)) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    char names[2 * NAME_MAX + 2];
    snprintf(names, sizeof names, "%s/%s", name_of(from), name_of(to));
    int result = real_rename(from, to);
    if (result == 0) record(RENAME, parent_of(from), parent_of(to), 0, names, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    if (!below_root(to)) return real_linkat(from_dir, from, to_dir, to, flags);
    pthread_mutex_lock(&lock);
    int result = real_linkat(from_dir, from, to_dir, to, flags);
    if (result == 0) record(LINK, parent_of(to), inode_of(to), 0, name_of(to), "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

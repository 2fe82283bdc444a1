// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into the relay: while the file $FAILING_READS_FLAG exists, reading a file whose path ends with one of the words
// of $FAILING_READS (separated by ':') gives EIO, as a broken disk does.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
  const char *flag = getenv("FAILING_READS_FLAG"), *words = getenv("FAILING_READS");
  if (!flag || !words || access(flag, F_OK) != 0) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  for (const char *word = words; *word;) {
    size_t size = strcspn(word, ":");
    if (size > 0 && size <= (size_t)length && strncmp(path + length - size, word, size) == 0) return 1;
    word += size + (word[size] == ':');
  }
  return 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int fd, void *to, size_t count) {
  if (fails(fd)) return errno = EIO, -1;
  return NEXT(read)(fd, to, count);
}
ssize_t pread(int fd, void *to, size_t count, off_t at) {
  if (fails(fd)) return errno = EIO, -1;
  return NEXT(pread)(fd, to, count, at);
}
ssize_t pread64(int fd, void *to, size_t count, off64_t at) {
  if (fails(fd)) return errno = EIO, -1;
  return NEXT(pread64)(fd, to, count, at);
}
